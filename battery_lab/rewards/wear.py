"""What discharging costs in wear."""

from __future__ import annotations

from dataclasses import dataclass

from battery_lab.envs.battery.transition import RewardContext
from battery_lab.rewards.term import BoundTerm, Term


@dataclass(frozen=True, kw_only=True)
class Wear(Term):
    """Less ``battery.wear_per_mwh`` x energy discharged."""

    def bind(self, context: RewardContext) -> BoundTerm:
        """Return wear as a negative reward; see Term."""
        return lambda done: -done.wear
