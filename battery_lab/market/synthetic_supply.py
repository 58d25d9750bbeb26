"""Offers of the synthetic market: the supply curve of power plants, and bursts of prices away from it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, ClassVar

import numba as nb
import numpy as np
from pydantic import Field

from battery_lab.common.errors import require
from battery_lab.common.validated_options import Unit, options
from battery_lab.market.synthetic_drivers import (
    STEP_H,
    YEAR_DAYS,
    Array,
    LocalTime,
    Noise,
    ShortDecayTime,
    Spread,
    fading,
)

JUMP_BEYOND = 1.8  # an interval jumps when its noise exceeds this many standard deviations: one in fourteen

Factor = Annotated[float, Field(ge=0, le=20)]
SignedPower = Annotated[float, Field(ge=-100_000, le=100_000), Unit("MW")]
Exchange = Annotated[float, Field(ge=-1_000_000, le=1_000_000), Unit("MW")]
Rate = Annotated[float, Field(ge=0, le=100)]
BurstTime = Annotated[float, Field(ge=STEP_H, le=1000), Unit("hours")]


@options("market.regimes")
class Regime:
    """The differences of one year from the others.

    Attributes:
        name: a description.
        fuel: factor on all offers above zero.
        shortage_mw: plant that is missing all year, MW; negative for additional plant.
        solar: factor on ``rooftop_mw`` and ``farms_mw``.
        spikes: factor on the rate of price spikes.
    """

    name: str
    fuel: Factor
    shortage_mw: SignedPower
    solar: Factor
    spikes: Factor


@options("market.supply")
class Supply:
    """The supply curve, and the noise around it.

    Attributes:
        needed_mw: power needed from plants, in rising order, MW; negative with a surplus of solar and wind power.
        price: price of the last MW at each of ``needed_mw``, currency per MWh; linear between the points and constant
            beyond them.
        export_mw: 24 hourly means of the power that neighbours take (+) or send (-), MW.
        winter_export_mw: how much more neighbours take in winter than on average, MW.
        winter_day: day of the year on which neighbours take most.
        outage_mw: standard deviation of plant outages, which last days to weeks, MW.
        outage_h: their decay time, hours.
        neighbour_mw: standard deviation of flows from neighbours, which last hours, MW.
        neighbour_h: their decay time, hours.
        bid_mw: standard deviation of offers that change within an hour, MW.
        bid_h: their decay time, hours.
        jump_mw: standard deviation of jumps of single intervals, MW.
        quote: standard deviation of the price around the curve, currency per MWh.
    """

    needed_mw: Annotated[Sequence[float], Field(min_length=2)]
    price: Sequence[float]
    export_mw: Annotated[Sequence[Exchange], Field(min_length=24, max_length=24)]
    winter_export_mw: SignedPower
    winter_day: Annotated[float, Field(ge=0, le=366), Unit("days")]
    outage_mw: Spread
    outage_h: ShortDecayTime
    neighbour_mw: Spread
    neighbour_h: ShortDecayTime
    bid_mw: Spread
    bid_h: ShortDecayTime
    jump_mw: Spread
    quote: Annotated[float, Field(ge=0, le=1000), Unit("currency per MWh")]

    def __post_init__(self) -> None:
        rising = bool(np.all(np.diff(self.needed_mw) > 0))
        require(rising, "market.supply.needed_mw", "must rise from each item to the next", self.needed_mw)
        rule = f"must be a list of {len(self.needed_mw)} that never falls, one item for each of market.supply.needed_mw"
        rising = len(self.price) == len(self.needed_mw) and bool(np.all(np.diff(self.price) >= 0))
        require(rising, "market.supply.price", rule, self.price)

    def exports(self, time: LocalTime) -> Array:
        """Return the (T,) power that neighbours are expected to take, MW."""
        season = np.cos(2 * np.pi * (time.day_of_year - self.winter_day) / YEAR_DAYS)
        return time.profile(self.export_mw) + self.winter_export_mw * season

    def deviation(self, noise: Noise) -> Array:
        """Return the (T,) deviation of flows and offers from expectation, MW."""
        jump = np.where(np.abs(noise["jump"]) > JUMP_BEYOND, noise["jump"], 0.0)
        hours = self.neighbour_mw * fading(noise["neighbour"], self.neighbour_h)
        return np.asarray(hours + self.bid_mw * fading(noise["bid"], self.bid_h) + self.jump_mw * jump)

    def offer(self, needed_mw: Array, fuel: Array) -> Array:
        """Return the (T,) price of the last MW that is needed."""
        price = np.interp(needed_mw, self.needed_mw, self.price)
        return np.where(price > 0, fuel * price, price)


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
