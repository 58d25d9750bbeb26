"""Wear term: the cost of battery wear caused by discharging and charging."""

from __future__ import annotations

from typing import ClassVar

from battery_lab.common.validated_options import options
from battery_lab.envs.battery.reward_context import RewardContext
from battery_lab.rewards.term import BoundTerm, Term


@options("reward.terms.wear")
class Wear(Term):
    """Minus ``battery.wear_per_mwh`` x energy discharged and ``battery.wear_per_mwh_charged`` x energy charged."""

    is_linear: ClassVar[bool] = True

    def bind(self, context: RewardContext) -> BoundTerm:
        return lambda transition: -transition.wear
