"""What the network charges for energy bought."""

from __future__ import annotations

from dataclasses import dataclass

from battery_lab.envs.battery.transition import RewardContext
from battery_lab.rewards.term import BoundTerm, Term


@dataclass(frozen=True, kw_only=True)
class GridFee(Term):
    """Less ``battery.grid_fee_per_mwh`` x energy charged; with revenue and wear the sum is profit."""

    def bind(self, context: RewardContext) -> BoundTerm:
        """Return the fee as a negative reward; see Term."""
        return lambda done: -done.grid_fee
