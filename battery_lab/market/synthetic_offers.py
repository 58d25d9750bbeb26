"""What the synthetic market's plants offer: the curve of prices, and the bursts that leave it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numba as nb
import numpy as np

from battery_lab.common.errors import require
from battery_lab.market.synthetic_drivers import STEP_H, YEAR_DAYS, Array, Calendar, Noise, check, check_hourly, fading

JUMP_BEYOND = 1.8  # standard deviations of its noise from which an interval jumps: one in fourteen


@dataclass(frozen=True, kw_only=True)
class Regime:
    """What is particular about one year.

    Attributes:
        name: what people would call it.
        fuel: factor on every offer above zero.
        shortage_mw: plant that is missing all year; below 0, to spare.
        solar: factor on ``rooftop_mw`` and ``farms_mw``.
        spikes: factor on how often prices spike.
    """

    name: str
    fuel: float
    shortage_mw: float
    solar: float
    spikes: float

    def __post_init__(self) -> None:
        check("regimes", "a factor", 0, 20, fuel=self.fuel, solar=self.solar, spikes=self.spikes)
        check("regimes", "in MW", -1e5, 1e5, shortage_mw=self.shortage_mw)


@dataclass(frozen=True, kw_only=True)
class Supply:
    """What plants offer, and how restless that is.

    Attributes:
        needed_mw: power needed from plants, rising, MW; below 0 there is too much sun and wind.
        price: what the last MW then costs, currency per MWh; linear in between, level beyond.
        export_mw: 24 means by hour of what neighbours take (+) or send (-), MW.
        winter_export_mw: how much more they take in winter than on average, MW.
        winter_day: day of the year on which they take most.
        outage_mw: standard deviation of plant that is missing for days to weeks.
        outage_h: its decay time, hours.
        neighbour_mw: the same of flows from neighbours, over hours.
        neighbour_h: its decay time, hours.
        bid_mw: the same of offers that move within the hour.
        bid_h: its decay time, hours.
        jump_mw: the same of single intervals out of line.
        quote: standard deviation of the price about the curve, currency per MWh.
    """

    needed_mw: Sequence[float]
    price: Sequence[float]
    export_mw: Sequence[float]
    winter_export_mw: float
    winter_day: float
    outage_mw: float
    outage_h: float
    neighbour_mw: float
    neighbour_h: float
    bid_mw: float
    bid_h: float
    jump_mw: float
    quote: float

    def __post_init__(self) -> None:
        rising = len(self.needed_mw) > 1 and bool(np.all(np.diff(self.needed_mw) > 0))
        require(rising, "market.supply.needed_mw", "must be two or more rising numbers", self.needed_mw)
        rule = f"must be {len(self.needed_mw)} numbers that never fall, one for each of market.supply.needed_mw"
        rising = len(self.price) == len(self.needed_mw) and bool(np.all(np.diff(self.price) >= 0))
        require(rising, "market.supply.price", rule, self.price)
        check_hourly("supply", "export_mw", self.export_mw, -1e6)
        check("supply", "in MW", -1e5, 1e5, winter_export_mw=self.winter_export_mw)
        check("supply", "a day of the year", 0, 366, winter_day=self.winter_day)
        powers = {"outage_mw": self.outage_mw, "neighbour_mw": self.neighbour_mw, "bid_mw": self.bid_mw}
        hours = {"outage_h": self.outage_h, "neighbour_h": self.neighbour_h, "bid_h": self.bid_h}
        check("supply", "in MW", 0, 1e5, **powers, jump_mw=self.jump_mw)
        check("supply", "in hours", 0.01, 10_000, **hours)
        check("supply", "0 or more per MWh,", 0, 1000, quote=self.quote)

    def exports(self, calendar: Calendar) -> Array:
        """Return (T,) what neighbours are expected to take, MW."""
        season = np.cos(2 * np.pi * (calendar.day_of_year - self.winter_day) / YEAR_DAYS)
        return calendar.profile(self.export_mw) + self.winter_export_mw * season

    def restless(self, noise: Noise) -> Array:
        """Return (T,) MW by which flows and offers stray from what anybody expects."""
        jump = np.where(np.abs(noise["jump"]) > JUMP_BEYOND, noise["jump"], 0.0)
        hours = self.neighbour_mw * fading(noise["neighbour"], self.neighbour_h)
        return np.asarray(hours + self.bid_mw * fading(noise["bid"], self.bid_h) + self.jump_mw * jump)

    def offer(self, needed_mw: Array, fuel: Array) -> Array:
        """Return (T,) the price of the last MW that is needed."""
        price = np.interp(needed_mw, self.needed_mw, self.price)
        return np.where(price > 0, fuel * price, price)


@dataclass(frozen=True, kw_only=True)
class Bursts:
    """Prices that leave the curve.

    Attributes:
        per_h: how many begin in an hour when the market is far beyond ``centre_mw``.
        centre_mw: power needed from plants at which half as many do.
        width_mw: how gently that sets in.
        last_h: how long they last on average, hours.
        least: the least size, currency per MWh.
        tail: exponent of the sizes above it (Pareto): the smaller, the more extreme.
        wobble: standard deviation of the logarithm of the size within a burst.
        echo: how much likelier the next is just after one, per burst.
        echo_h: how fast that fades, hours.
    """

    group: ClassVar[str]
    beyond: ClassVar[float]  # 1: they come when more is needed than centre_mw; -1: when less is

    per_h: float
    centre_mw: float
    width_mw: float
    last_h: float
    least: float
    tail: float
    wobble: float
    echo: float
    echo_h: float

    def __post_init__(self) -> None:
        check(self.group, "in MW", -1e5, 1e5, centre_mw=self.centre_mw)
        check(self.group, "in MW", 1, 1e5, width_mw=self.width_mw)
        check(self.group, "a number", 0, 100, per_h=self.per_h, wobble=self.wobble, echo=self.echo)
        check(self.group, "in hours", STEP_H, 1000, last_h=self.last_h, echo_h=self.echo_h)
        check(self.group, "per MWh", 0.01, 1e5, least=self.least)
        check(self.group, "an exponent", 0.1, 100, tail=self.tail)

    def rate(self, needed_mw: Array) -> Array:
        """Return (T,) how many are expected to begin in an hour."""
        return self.per_h / (1 + np.exp(self.beyond * (self.centre_mw - needed_mw) / self.width_mw))

    def sizes(self, rate: Array, noise: Noise) -> Array:
        """Return (T,) sizes, currency per MWh, 0 where there is none."""
        size = self.least * np.exp(noise[f"{self.group}_size"] / self.tail)
        wobble = np.exp(self.wobble * noise[f"{self.group}_wobble"])
        chance, ends = noise[f"{self.group}_chance"], STEP_H / self.last_h
        return np.asarray(_bursts(rate, chance, size, wobble, ends, self.echo, self.echo_h))


class Spikes(Bursts):
    """Bursts upward, when plants run short."""

    group = "spikes"
    beyond = 1.0


class Plunges(Bursts):
    """Bursts downward, when plants cannot get out of the way of sun and wind."""

    group = "plunges"
    beyond = -1.0


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
