"""Regret term: what an action costs compared with perfect foresight."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from battery_lab.common.validated_options import options
from battery_lab.envs.battery.reward_context import RewardContext
from battery_lab.envs.battery.transition_accounts import Transition
from battery_lab.rewards.term import BoundTerm, Term


@options("reward.terms.regret")
class Regret(Term):
    """Profit + V(next) - V(now), where V is the perfect-foresight value of stored energy on the training prices.

    By Bellman's equation (1957) the term is 0 for the action that perfect foresight takes and negative for any other
    action. So each action receives its full cost at once.

    If cycles are capped, V includes the throughput price, which the shaping subtracts with this term's weight.

    The term includes profit. Alone, it is potential-based shaping of profit with the potential V, which is exact at a
    discount of 1. V(next) is not discounted: gamma x V(next) would leave (1 - gamma) x V, the value of all later
    years, in every reward. At a discount below 1, the best policy minimises discounted regret. It is biased: it
    avoids regret in the near future at the price of more regret later.
    """

    has_revenue: ClassVar[bool] = True

    def bind(self, context: RewardContext) -> BoundTerm:
        value = context.hindsight()

        def regret(transition: Transition) -> NDArray[np.float64]:
            after = value.at(transition.row + 1, transition.energy_after_mwh)
            return transition.profit + (after - value.at(transition.row, transition.energy_mwh))

        return regret
