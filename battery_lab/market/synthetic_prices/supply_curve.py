"""Supply curve of the synthetic market: prices of plants' offers, exports and outages, and noise around the curve."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import numpy as np
from pydantic import Field

from battery_lab.common.errors import require
from battery_lab.common.validated_options import Unit, options
from battery_lab.market.synthetic_prices.drivers import (
    YEAR_DAYS,
    Array,
    LocalTime,
    Noise,
    ShortDecayTime,
    SignedPower,
    Spread,
    fading,
)

JUMP_BEYOND = 1.8  # an interval jumps when its noise exceeds this many standard deviations: one in fourteen

Exchange = Annotated[float, Field(ge=-1_000_000, le=1_000_000), Unit("MW")]


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
        return np.asarray(self.flows(noise) + self.offers(noise) + self.jump_mw * jump)

    def flows(self, noise: Noise) -> Array:
        """Return the (T,) deviation of flows from neighbours from expectation, MW."""
        return self.neighbour_mw * fading(noise["neighbour"], self.neighbour_h)

    def offers(self, noise: Noise) -> Array:
        """Return the (T,) deviation of offers that change within the hour, MW."""
        return self.bid_mw * fading(noise["bid"], self.bid_h)

    def offer(self, needed_mw: Array, fuel: Array) -> Array:
        """Return the (T,) price of the last MW that is needed."""
        price = np.interp(needed_mw, self.needed_mw, self.price)
        return np.where(price > 0, fuel * price, price)
