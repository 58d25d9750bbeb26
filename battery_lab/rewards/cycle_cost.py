"""A flat cost for cycling."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from battery_lab.envs.battery.transition import RewardContext, Transition
from battery_lab.rewards.term import BoundTerm, Term, is_finite


@dataclass(frozen=True, kw_only=True)
class CycleCost(Term):
    """Less ``price_per_cycle`` x equivalent full cycles: energy taken from storage to be sold / capacity.

    Unlike wear it is no part of the accounts: a policy is never judged by it.

    Attributes:
        price_per_cycle: what an equivalent full cycle costs, in the market's currency.
    """

    price_per_cycle: float

    def __post_init__(self) -> None:
        super().__post_init__()
        price, rule = self.price_per_cycle, "must be 0 or more, currency an equivalent full cycle"
        self.require(is_finite(price) and price >= 0, "price_per_cycle", rule, price)

    def bind(self, context: RewardContext) -> BoundTerm:
        """Return the cost as a negative reward; see Term."""
        battery = context.battery
        per_sold_mwh = self.price_per_cycle / battery.discharge_efficiency / battery.capacity_mwh

        def cost(done: Transition) -> NDArray[np.float64]:
            return -per_sold_mwh * done.sold_mwh

        return cost
