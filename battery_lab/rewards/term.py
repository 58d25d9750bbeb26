"""What every reward term is: a weight, and a function of a transition once it is bound."""

from __future__ import annotations

import math
import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from battery_lab.common.errors import require
from battery_lab.envs.battery.transition import RewardContext, Transition

Array = NDArray[np.float64]
BoundTerm = Callable[[Transition], Array]
"""Gives (N,) money in the market's currency, before the weight, for a transition of N batteries."""


@runtime_checkable
class Memory(Protocol):
    """A bound term whose value depends on earlier calls."""

    def get_state(self) -> dict[str, Array]:
        """Return copies of all that a later ``set_state`` needs."""

    def set_state(self, state: Mapping[str, Array]) -> None:
        """Go on from a state that ``get_state`` gave."""


@dataclass(frozen=True, kw_only=True)
class Term(ABC):
    """One weighted part of a reward.

    Attributes:
        weight: what the term is multiplied by in the sum; costs are negative already, so a cost has weight 1 too.
    """

    weight: float

    def __post_init__(self) -> None:
        self.require(is_finite(self.weight), "weight", "must be a finite number", self.weight)

    @abstractmethod
    def bind(self, context: RewardContext) -> BoundTerm:
        """Return the term as a function, with all that can be worked out ahead.

        Args:
            context: training time, the battery and how many environments a call holds.
        """

    def require(self, condition: bool, field: str, rule: str, value: object) -> None:
        """Raise ConfigError unless a field of this term keeps its rule."""
        name = re.sub(r"(?<!^)(?=[A-Z])", "_", type(self).__name__).lower()
        require(condition, f"reward.terms.{name}.{field}", rule, value)


def is_finite(value: object) -> bool:
    """Whether a value is a finite number, and not text or a truth value."""
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
