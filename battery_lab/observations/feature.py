"""Features: the interface of all features, and the block of columns that a feature returns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from battery_lab.observations.market_history import History


@dataclass(frozen=True, kw_only=True)
class Block:
    """The columns of one feature.

    Attributes:
        values: (T, W), one row per interval.
        names: W names.
        window: whether the columns are one signal over time, oldest first. The values of such a block are scaled
            already and stay a view; a convolution may slide over them.
    """

    values: NDArray[np.float64] | NDArray[np.float32]
    names: tuple[str, ...]
    window: bool = False


@runtime_checkable
class Feature(Protocol):
    """A source of numbers about the market, computed for all intervals at once."""

    @property
    def look_back_h(self) -> float:
        """Hours of history that a row needs."""

    def build(self, history: History) -> Block | None:
        """Return the columns, or None if the feature is optional and the market does not have its column."""


def side_by_side(columns: Sequence[NDArray[np.float64]]) -> NDArray[np.float64]:
    """Return W columns of T rows as a (T, W) array; each stays contiguous, which takes a fifth of the time."""
    return np.stack(columns).T
