"""Price spikes and plunges of the synthetic market: bursts of prices away from the supply curve."""

from __future__ import annotations

from typing import Annotated, ClassVar

import numba as nb
import numpy as np
from pydantic import Field

from battery_lab.common.validated_options import Unit, options
from battery_lab.market.synthetic_prices.drivers import STEP_H, Array, Noise, SignedPower

Rate = Annotated[float, Field(ge=0, le=100)]
BurstTime = Annotated[float, Field(ge=STEP_H, le=1000), Unit("hours")]


@options("market.bursts")
class Bursts:
    """Prices that leave the supply curve for a while.

    Attributes:
        per_h: rate of new bursts per hour when the market is far beyond ``centre_mw``.
        centre_mw: power needed from plants at which the rate is half of that, MW.
        width_mw: width of the transition, MW.
        last_h: mean duration, hours.
        least: smallest size, currency per MWh.
        tail: Pareto exponent of the sizes; the smaller it is, the more extreme they are.
        wobble: standard deviation of the logarithm of the size within a burst.
        echo: relative increase of the rate just after a burst, per burst.
        echo_h: decay time of that increase, hours.
    """

    group: ClassVar[str]
    direction: ClassVar[float]  # 1: bursts occur when more than centre_mw is needed; -1: when less is

    per_h: Rate
    centre_mw: SignedPower
    width_mw: Annotated[float, Field(ge=1, le=100_000), Unit("MW")]
    last_h: BurstTime
    least: Annotated[float, Field(ge=0.01, le=100_000), Unit("currency per MWh")]
    tail: Annotated[float, Field(ge=0.1, le=100)]
    wobble: Rate
    echo: Rate
    echo_h: BurstTime

    def rate(self, needed_mw: Array) -> Array:
        """Return the (T,) expected number of new bursts per hour."""
        return self.per_h / (1 + np.exp(self.direction * (self.centre_mw - needed_mw) / self.width_mw))

    def sizes(self, rate: Array, noise: Noise) -> Array:
        """Return (T,) sizes, currency per MWh; 0 where there is no burst."""
        size = self.least * np.exp(noise[f"{self.group}_size"] / self.tail)
        wobble = np.exp(self.wobble * noise[f"{self.group}_wobble"])
        chance, ends = noise[f"{self.group}_chance"], STEP_H / self.last_h
        return np.asarray(_bursts(rate, chance, size, wobble, ends, self.echo, self.echo_h))


@options("market.spikes")
class Spikes(Bursts):
    """Bursts upward, when plants run short."""

    group = "spikes"
    direction = 1.0


@options("market.plunges")
class Plunges(Bursts):
    """Bursts downward, when there is more solar and wind power than plants can make room for."""

    group = "plunges"
    direction = -1.0


@nb.njit(cache=True)
def _bursts(rate: Array, chance: Array, size: Array, wobble: Array, ends: float, echo: float, echo_h: float) -> Array:
    out = np.zeros(len(rate))
    fade, memory, now = np.exp(-STEP_H / echo_h), 0.0, 0.0
    for t in range(len(rate)):
        if now > 0.0:
            if chance[t] < ends:
                now = 0.0
        elif chance[t] < 1 - np.exp(-rate[t] * (1 + echo * memory) * STEP_H):
            now = size[t]
            memory += 1.0
        memory *= fade
        out[t] = now * wobble[t]
    return out
