"""SoC limit term: a penalty near the limits of the state of charge."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

import numba as nb
import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from battery_lab.common.errors import require
from battery_lab.common.validated_options import Highest, Unit, options
from battery_lab.envs.battery.reward_context import RewardContext
from battery_lab.envs.battery.transition_accounts import Transition
from battery_lab.rewards.term import BoundTerm, Term

Array = NDArray[np.float64]
TOUCHES_MWH = 1e-9


@options("reward.terms.soc_limit")
class SocLimit(Term):
    """Minus ``price_per_h`` for each hour that ends near a SoC limit.

    Let d be the SoC distance to the nearer limit. ``ramp`` charges the fraction max(1 - d / margin_soc, 0) of the
    price; ``step`` charges the full price where d <= margin_soc. Both use the SoC at the end of the interval, which
    the action decides.

    Attributes:
        shape: ``ramp`` or ``step``.
        margin_soc: width of the band inside each limit, a fraction of capacity; 0 is the limit itself.
        price_per_h: cost of an hour at a limit, in the market's currency.
    """

    is_linear: ClassVar[bool] = True
    shape: Literal["ramp", "step"]
    margin_soc: Annotated[float, Field(ge=0, lt=1)]
    price_per_h: Annotated[float, Field(ge=0), Highest(1_000_000_000), Unit("currency per hour")]

    def __post_init__(self) -> None:
        rule = "must be greater than 0 for shape=ramp, which rises over the margin; or choose shape=step"
        require(self.shape == "step" or self.margin_soc > 0, "reward.terms.soc_limit.margin_soc", rule, self.margin_soc)

    def bind(self, context: RewardContext) -> BoundTerm:
        battery = context.battery
        low, high, margin = battery.energy_min_mwh, battery.energy_max_mwh, self.margin_soc * battery.capacity_mwh
        price, ramp = self.price_per_h * context.series.interval_h, self.shape == "ramp"

        def penalty(transition: Transition) -> Array:
            return _penalty(transition.energy_after_mwh, low, high, margin, price, ramp)

        return penalty


@nb.njit(cache=True)
def _penalty(energy: Array, low: float, high: float, margin: float, price: float, ramp: bool) -> Array:
    reward = np.zeros(len(energy))
    for n in range(len(energy)):
        # Self-discharge can take the energy below the floor. The penalty there is that of the limit.
        distance = max(min(energy[n] - low, high - energy[n]), 0.0)
        if ramp:
            reward[n] = -price * max(1.0 - distance / margin, 0.0)
        elif distance <= margin + TOUCHES_MWH:
            reward[n] = -price
    return reward
