"""Stored energy at a recent price: shaping that leaves the best policy as it is."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from battery_lab.envs.battery.transition import RewardContext, Transition
from battery_lab.rewards.term import BoundTerm, Term, is_finite

Array = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Potential(Term):
    """``gamma`` x phi(next) - phi(now), phi = what the stored energy would earn at the recent mean price.

    phi(t, e) = (e - energy_min) x discharge_efficiency x max(mean price of the ``window_days`` before t - wear, 0).
    With revenue, wear and grid fee beside it the best policy is that of profit, whatever the weight (Ng, Harada and
    Russell 1999), provided that ``gamma`` is the algorithm's and that an episode's truncation is bootstrapped.

    Attributes:
        gamma: the algorithm's discount an interval.
        window_days: how far the mean price looks back, days; in the first days, as far as there is history.
    """

    gamma: float
    window_days: float

    def __post_init__(self) -> None:
        super().__post_init__()
        rule = "must be the algorithm's discount an interval, above 0 and at most 1: ${algo.gamma}"
        self.require(is_finite(self.gamma) and 0 < self.gamma <= 1, "gamma", rule, self.gamma)
        rule = "must be above 0 and at most 3660 days"
        self.require(
            is_finite(self.window_days) and 0 < self.window_days <= 3660, "window_days", rule, self.window_days
        )

    def bind(self, context: RewardContext) -> BoundTerm:
        """Return the change of potential; see Term."""
        battery, gamma, low = context.battery, self.gamma, context.battery.energy_min_mwh
        window = max(round(self.window_days * context.series.intervals_per_day), 1)
        mean = trailing_mean(context.series.price, window)
        value = np.maximum(mean - battery.wear_per_mwh, 0.0) * battery.discharge_efficiency

        def change(done: Transition) -> Array:
            after = value[done.row + 1] * (done.energy_after_mwh - low)
            return gamma * after - value[done.row] * (done.energy_mwh - low)

        return change


def trailing_mean(price: Array, window: int) -> Array:
    """Return (T + 1,) the mean of the last ``window`` of (T,) prices before each row; 0 before the first.

    Row T, after the last price, has its mean too: it is where the last interval ends.
    """
    total = np.concatenate(([0.0], np.cumsum(price)))
    row = np.arange(len(total))
    first = np.maximum(row - window, 0)
    return (total - total[first]) / np.maximum(row - first, 1)
