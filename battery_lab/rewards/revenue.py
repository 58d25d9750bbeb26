"""The money that crosses the grid connection."""

from __future__ import annotations

from dataclasses import dataclass

from battery_lab.envs.battery.transition import RewardContext
from battery_lab.rewards.term import BoundTerm, Term


@dataclass(frozen=True, kw_only=True)
class Revenue(Term):
    """Price x delivered power x interval: income when selling, expense when buying."""

    def bind(self, context: RewardContext) -> BoundTerm:
        """Return revenue as a function; see Term."""
        return lambda done: done.revenue
