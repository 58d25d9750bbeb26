"""Cycle cost term: a flat cost per equivalent full cycle."""

from __future__ import annotations

from typing import Annotated, ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from battery_lab.common.validated_options import Highest, Unit, options
from battery_lab.envs.battery.reward_context import RewardContext
from battery_lab.envs.battery.transition_accounts import Transition
from battery_lab.rewards.term import BoundTerm, Term


@options("reward.terms.cycle_cost")
class CycleCost(Term):
    """Minus ``price_per_cycle`` x equivalent full cycles, where cycles = energy taken from storage to sell / capacity.

    Unlike wear, this cost is not part of the accounts that policies are evaluated by.

    Attributes:
        price_per_cycle: cost of an equivalent full cycle, in the market's currency.
    """

    is_linear: ClassVar[bool] = True
    price_per_cycle: Annotated[float, Field(ge=0), Highest(1_000_000_000), Unit("currency per equivalent full cycle")]

    def bind(self, context: RewardContext) -> BoundTerm:
        battery = context.battery
        per_sold_mwh = self.price_per_cycle / battery.discharge_efficiency / battery.capacity_mwh

        def cost(transition: Transition) -> NDArray[np.float64]:
            return -per_sold_mwh * transition.sold_mwh

        return cost
