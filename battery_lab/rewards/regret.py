"""What an action cost against hindsight."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from battery_lab.envs.battery.transition import RewardContext, Transition
from battery_lab.rewards.term import BoundTerm, Term


@dataclass(frozen=True, kw_only=True)
class Regret(Term):
    """Profit + V(next) - V(now), V = perfect-foresight value of stored energy on the training prices.

    By V's own equation (Bellman 1957) this is 0 for the action that hindsight would take and negative for any other,
    so each action is judged at once. Profit is within: with no other term the sum is potential-based shaping of profit
    with the potential V, exact at a discount of 1. No discount stands in it: gamma V(next) would leave
    (1 - gamma) x V of all later years in every reward. At a discount below 1 the best policy is that of least
    discounted regret: a bias towards shedding near regret before far.
    """

    def bind(self, context: RewardContext) -> BoundTerm:
        """Return regret as a reward, never above 0 but for the table's rounding; see Term."""
        value = context.hindsight()

        def regret(done: Transition) -> NDArray[np.float64]:
            gained = value.at(done.row + 1, done.energy_after_mwh) - value.at(done.row, done.energy_mwh)
            return done.profit + gained

        return regret
