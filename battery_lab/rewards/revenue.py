"""Revenue term: money from energy sold minus money for energy bought."""

from __future__ import annotations

from typing import ClassVar

from battery_lab.common.validated_options import options
from battery_lab.envs.battery.reward_context import RewardContext
from battery_lab.rewards.term import BoundTerm, Term


@options("reward.terms.revenue")
class Revenue(Term):
    """Price x delivered power x interval: positive when the battery sells, negative when it buys."""

    is_linear: ClassVar[bool] = True
    has_revenue: ClassVar[bool] = True

    def bind(self, context: RewardContext) -> BoundTerm:
        return lambda transition: transition.revenue
