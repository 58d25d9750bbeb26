"""A penalty for standing near the limits of the state of charge."""

from __future__ import annotations

from dataclasses import dataclass

import numba as nb
import numpy as np
from numpy.typing import NDArray

from battery_lab.common.errors import require_choice
from battery_lab.envs.battery.transition import RewardContext, Transition
from battery_lab.rewards.term import BoundTerm, Term, is_finite

Array = NDArray[np.float64]
SHAPES = ("ramp", "step")
TOUCHES_MWH = 1e-9


@dataclass(frozen=True, kw_only=True)
class SocLimit(Term):
    """Less ``price_per_h`` for every hour that ends near a limit.

    With d the distance in soc to the nearer limit, ``ramp`` charges max(1 - d / margin_soc, 0) of the price, ``step``
    all of it where d <= margin_soc. Both judge the interval's end, which the action decides.

    Attributes:
        shape: ``ramp`` or ``step``.
        margin_soc: width of the band inside each limit, a fraction of capacity.
        price_per_h: what an hour at a limit costs, in the market's currency.
    """

    shape: str
    margin_soc: float
    price_per_h: float

    def __post_init__(self) -> None:
        super().__post_init__()
        require_choice("reward.terms.soc_limit.shape", self.shape, SHAPES)
        rule = "must be a fraction of capacity from 0 (only the limit itself) to below 1"
        self.require(is_finite(self.margin_soc) and 0 <= self.margin_soc < 1, "margin_soc", rule, self.margin_soc)
        rule = "must be above 0 where the shape is a ramp, which rises over it; or choose shape: step"
        self.require(self.shape == "step" or self.margin_soc > 0, "margin_soc", rule, self.margin_soc)
        rule = "must be 0 or more, currency an hour"
        self.require(is_finite(self.price_per_h) and self.price_per_h >= 0, "price_per_h", rule, self.price_per_h)

    def bind(self, context: RewardContext) -> BoundTerm:
        """Return the penalty as a negative reward; see Term."""
        battery = context.battery
        low, high, margin = battery.energy_min_mwh, battery.energy_max_mwh, self.margin_soc * battery.capacity_mwh
        price, ramp = self.price_per_h * context.series.interval_h, self.shape == "ramp"

        def penalty(done: Transition) -> Array:
            return _penalty(done.energy_after_mwh, low, high, margin, price, ramp)

        return penalty


@nb.njit(cache=True)
def _penalty(energy: Array, low: float, high: float, margin: float, price: float, ramp: bool) -> Array:
    reward = np.zeros(len(energy))
    for n in range(len(energy)):
        # Self-discharge can draw the store below its floor; that is no deeper than the limit.
        distance = max(min(energy[n] - low, high - energy[n]), 0.0)
        if ramp:
            reward[n] = -price * max(1.0 - distance / margin, 0.0)
        elif distance <= margin + TOUCHES_MWH:
            reward[n] = -price
    return reward
