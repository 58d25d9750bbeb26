"""Undelivered energy term: a penalty for requests beyond the battery's limits."""

from __future__ import annotations

from typing import Annotated, ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from battery_lab.common.validated_options import Highest, Unit, options
from battery_lab.envs.battery.reward_context import RewardContext
from battery_lab.envs.battery.transition_accounts import Transition
from battery_lab.rewards.term import BoundTerm, Term


@options("reward.terms.undelivered")
class UndeliveredEnergy(Term):
    """Minus ``price_per_mwh`` x abs(energy requested - energy delivered), both at the grid connection.

    It counts what the SoC limits cut off, what exceeds ``battery.power_mw``, and what caps on cycles no longer allow.

    Attributes:
        price_per_mwh: cost of a requested MWh that is not delivered, in the market's currency.
    """

    is_linear: ClassVar[bool] = True
    price_per_mwh: Annotated[float, Field(ge=0), Highest(1_000_000_000), Unit("currency per MWh")]

    def bind(self, context: RewardContext) -> BoundTerm:
        price = self.price_per_mwh * context.series.interval_h

        def penalty(transition: Transition) -> NDArray[np.float64]:
            return -price * np.abs(transition.request_mw - transition.power_mw)

        return penalty
