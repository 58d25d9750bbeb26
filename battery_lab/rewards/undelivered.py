"""A penalty for asking for what the limits cut."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from battery_lab.envs.battery.transition import RewardContext, Transition
from battery_lab.rewards.term import BoundTerm, Term, is_finite


@dataclass(frozen=True, kw_only=True)
class Undelivered(Term):
    """Less ``price_per_mwh`` x |energy asked for - energy delivered|, both at the grid connection.

    Counts what the soc limits cut and what exceeds ``battery.power_mw``.

    Attributes:
        price_per_mwh: what a MWh asked for in vain costs, in the market's currency.
    """

    price_per_mwh: float

    def __post_init__(self) -> None:
        super().__post_init__()
        rule = "must be 0 or more, currency per MWh"
        self.require(
            is_finite(self.price_per_mwh) and self.price_per_mwh >= 0, "price_per_mwh", rule, self.price_per_mwh
        )

    def bind(self, context: RewardContext) -> BoundTerm:
        """Return the penalty as a negative reward; see Term."""
        price = self.price_per_mwh * context.series.interval_h

        def penalty(done: Transition) -> NDArray[np.float64]:
            return -price * np.abs(done.request_mw - done.power_mw)

        return penalty
