"""Grid fee term: what the network charges for energy bought."""

from __future__ import annotations

from typing import ClassVar

from battery_lab.common.validated_options import options
from battery_lab.envs.battery.reward_context import RewardContext
from battery_lab.rewards.term import BoundTerm, Term


@options("reward.terms.grid_fee")
class GridFee(Term):
    """Minus ``battery.grid_fee_per_mwh`` x energy charged. Revenue, wear and grid fee add up to profit."""

    is_linear: ClassVar[bool] = True

    def bind(self, context: RewardContext) -> BoundTerm:
        return lambda transition: -transition.grid_fee
