"""Reward terms: the base class of all terms, and what a term becomes when it is bound to an environment."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import Annotated, ClassVar, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from battery_lab.common.validated_options import Rule, options
from battery_lab.envs.battery.reward_context import RewardContext
from battery_lab.envs.battery.transition_accounts import Transition

Array = NDArray[np.float64]
BoundTerm = Callable[[Transition], Array]
"""Returns the (N,) unweighted values of a term, in the market's currency, for a transition of N batteries."""


@runtime_checkable
class Memory(Protocol):
    """A bound term whose value depends on earlier calls."""

    def get_state(self) -> dict[str, Array]:
        """Return copies of everything that ``set_state`` needs."""

    def set_state(self, state: Mapping[str, Array]) -> None:
        """Restore a state that ``get_state`` returned."""


@options("reward.terms")
class Term(ABC):
    """One weighted part of a reward.

    Attributes:
        weight: factor of the term in the sum. Costs are negative already, so a cost has a positive weight.
        is_linear: whether the value of the same move from the same stored energy is a + b x price in every interval.
        has_revenue: whether the value includes the revenue of the interval.
    """

    is_linear: ClassVar[bool] = False
    has_revenue: ClassVar[bool] = False
    weight: Annotated[float, Field(ge=-1_000_000, le=1_000_000), Rule("a number from -1,000,000 to 1,000,000")]

    @abstractmethod
    def bind(self, context: RewardContext) -> BoundTerm:
        """Return the term as a function of a transition, with everything precomputed that can be.

        Args:
            context: the training prices, the battery and the number of environments.
        """
