"""What every feature is: a source of numbers about the market, which come as a block."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from battery_lab.observations.history import History


@dataclass(frozen=True, kw_only=True)
class Block:
    """What a feature contributes.

    Attributes:
        values: (T, W) a row an interval.
        names: W names.
        window: whether the columns are one signal over time, oldest first: such a block is scaled already, stays a
            view, and is what a convolution may slide over.
    """

    values: NDArray[np.float64] | NDArray[np.float32]
    names: tuple[str, ...]
    window: bool = False


class Feature(Protocol):
    """A source of numbers about the market, computed for all intervals at once."""

    @property
    def look_back_h(self) -> float:
        """How many hours of history a row needs."""

    def build(self, history: History) -> Block | None:
        """Return the feature's block, or None when it is optional and the market lacks its column."""
