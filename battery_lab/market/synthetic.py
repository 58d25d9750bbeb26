"""A seeded market that behaves like a real solar-heavy one; docs/market.md says how near it comes to one.

Prices come from what is left for power plants to serve (demand less sun and wind, plus plant that is missing) through
a curve of offers, with rare spikes when little is left to spare and plunges when there is too much.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from battery_lab.common.errors import require, require_choice
from battery_lab.market.series import MarketSeries
from battery_lab.market.synthetic_drivers import (
    ISSUED_H,
    ISSUED_STEPS,
    LEAD_H,
    STEP_MINUTES,
    Array,
    Calendar,
    Demand,
    Noise,
    Renewables,
    Weather,
    check,
    fading,
)
from battery_lab.market.synthetic_offers import Plunges, Regime, Spikes, Supply

TIME_ZONE = "Etc/GMT-10"
UTC_OFFSET = np.timedelta64(10, "h")
INTERVALS_MIN = (5, 10, 15, 20, 30, 60)
SETTLE_DAYS = 60  # over which a new year's regime takes over
DRIVERS = ("temperature", "cloud", "wind")
SHOCKS = ("flicker", "demand", "outage", "neighbour", "bid", "jump", "quote", "forecast")
# Gauss-Hermite nodes and weights of a standard normal: the mean over what a forecaster knows to be unsure.
UNSURE = ((-(3**0.5), 1 / 6), (0.0, 2 / 3), (3**0.5, 1 / 6))


def draw_noise(seed: int, steps: int) -> dict[str, Array]:
    """Return every random number of a market by name, (steps,) each.

    Each name has a generator of its own, so that a longer market begins with the shorter one's numbers. The noise of
    a name that ends in ``_news`` is out ISSUED_STEPS before its step; any other comes with the step.
    """
    names = [f"{name}_{part}" for name in DRIVERS for part in ("news", "surprise")] + list(SHOCKS)
    names += [f"{group}_{part}" for group in (Spikes.group, Plunges.group) for part in ("chance", "size", "wobble")]
    noise = {}
    for key, name in enumerate(names):
        generator = np.random.Generator(np.random.PCG64(np.random.SeedSequence(seed, spawn_key=(key,))))
        if name.endswith("_chance"):
            noise[name] = generator.random(steps)
        elif name.endswith("_size"):
            noise[name] = generator.standard_exponential(steps)
        else:
            noise[name] = generator.standard_normal(steps)
    return noise


@dataclass(frozen=True, kw_only=True)
class Forecast:
    """How well the day-ahead price forecast is made.

    Attributes:
        error_mw: standard deviation of the forecaster's own error about the power needed from plants, MW.
        error_h: its decay time, hours.
        unsure_mw: how unsure of that power the forecaster thinks they are, MW: forecasts are means over it.
        spike_price: what a spike is expected to cost, currency per MWh.
    """

    error_mw: float
    error_h: float
    unsure_mw: float
    spike_price: float

    def __post_init__(self) -> None:
        check("forecast", "in MW", 0, 1e5, error_mw=self.error_mw, unsure_mw=self.unsure_mw)
        check("forecast", "in hours", 0.1, 10_000, error_h=self.error_h)
        check("forecast", "per MWh", 0, 1e5, spike_price=self.spike_price)


class State(NamedTuple):
    """(T,) What the market is in for, step by step: as it comes true and as it was seen a day ahead."""

    fuel: Array
    spikes: Array
    temperature_c: Array
    demand_mw: Array
    needed_mw: Array
    foreseen_mw: Array


@dataclass(frozen=True, kw_only=True)
class SyntheticMarket:
    """A choice of conf/market: a made market, the same for the same seed.

    Attributes:
        seed: of the market; trials with the same one share their market.
        years: calendar years that are made; more of them leave the first ones as they were.
        first_year: the first calendar year.
        interval_minutes: length of an interval: 5, 10, 15, 20, 30 or 60; beyond 5 it holds means of 5 minutes.
        price_floor: currency per MWh.
        price_cap: currency per MWh.
        regimes: one a year, again from the first after the last.
        weather: warm and cold, cloud and wind.
        demand: what people use.
        renewables: sun and wind.
        supply: what plants offer.
        spikes: bursts upward.
        plunges: bursts downward.
        forecast: how the forecast column is made.
    """

    seed: int
    years: int
    first_year: int
    interval_minutes: int
    price_floor: float
    price_cap: float
    regimes: Sequence[Regime]
    weather: Weather
    demand: Demand
    renewables: Renewables
    supply: Supply
    spikes: Spikes
    plunges: Plunges
    forecast: Forecast

    def __post_init__(self) -> None:
        for name, value, low, high in (
            ("seed", self.seed, 0, 2**63),
            ("years", self.years, 1, 50),
            ("first_year", self.first_year, 1970, 2200),
        ):
            whole = isinstance(value, int) and not isinstance(value, bool) and low <= value <= high
            require(whole, f"market.{name}", f"must be a whole number from {low} to {high}", value)
        require_choice("market.interval_minutes", self.interval_minutes, INTERVALS_MIN)
        require(-1e6 <= self.price_floor <= 0, "market.price_floor", "must be 0 per MWh or less", self.price_floor)
        require(0 < self.price_cap <= 1e6, "market.price_cap", "must be above 0 per MWh", self.price_cap)
        require(len(self.regimes) > 0, "market.regimes", "must name one regime or more", self.regimes)

    def load(self) -> MarketSeries:
        """Make the whole series: price, ``demand_mw``, ``temperature_c``, and ``price_forecast`` a day ahead.

        The clock is UTC+10 all year, as the Australian market's own: no hour is missing or repeated.
        """
        return self.simulate(draw_noise(self.seed, len(self._local_steps())))

    def simulate(self, noise: Noise) -> MarketSeries:
        """Return the series that given noise makes; see ``draw_noise`` for its names and (T,) shapes."""
        local = self._local_steps()
        state = self._state(Calendar.of(local), noise)
        price = self._price(state, noise)
        forecast = np.clip(self._forecast(state), self.price_floor, self.price_cap)
        start = local[:: self.interval_minutes // STEP_MINUTES] - UTC_OFFSET
        return MarketSeries(
            name=f"SYNTHETIC-{self.seed}",
            currency="AUD",
            time_zone=TIME_ZONE,
            interval_h=self.interval_minutes / 60,
            start=start,
            price=self._means(price, 2),
            gap=np.zeros(len(start), np.bool_),
            columns={
                "demand_mw": self._means(state.demand_mw, 2),
                "temperature_c": self._means(state.temperature_c, 1),
                "price_forecast": self._means(forecast, 2),
            },
            lead_h={"price_forecast": LEAD_H},
        )

    def _local_steps(self) -> NDArray[np.datetime64]:
        first, end = (np.datetime64(f"{year}-01-01", "s") for year in (self.first_year, self.first_year + self.years))
        return np.arange(first, end, np.timedelta64(60 * STEP_MINUTES, "s"))

    def _means(self, values: Array, decimals: int) -> Array:
        """Means of intervals, rounded as operators publish them (and so that no processor's last bit shows)."""
        steps = self.interval_minutes // STEP_MINUTES
        return np.asarray(values.reshape(-1, steps).mean(axis=1).round(decimals))

    def _regime(self, calendar: Calendar, name: str) -> Array:
        """(T,) one figure of the regimes, from the old year's to the new one's in SETTLE_DAYS."""
        by_year = np.array([getattr(regime, name) for regime in self.regimes], np.float64)
        now, before = calendar.year % len(by_year), np.maximum(calendar.year - 1, 0) % len(by_year)
        settled = np.minimum(calendar.day_of_year / SETTLE_DAYS, 1.0)
        return np.asarray(settled * by_year[now] + (1 - settled) * by_year[before])

    def _state(self, calendar: Calendar, noise: Noise) -> State:
        weather, sun, plants = self.weather, self.renewables, self.supply
        warmth, cloud, wind = (weather.spell(noise, name) for name in DRIVERS)
        clear = self._regime(calendar, "solar") * sun.clear_sky(calendar)
        solar = clear * sun.sky(cloud.real + sun.flicker * fading(noise["flicker"], sun.flicker_h))
        temperature = weather.temperature(calendar, warmth.real)
        used = self.demand.at(calendar, temperature)
        used = used + self.demand.surprise_mw * fading(noise["demand"], self.demand.surprise_h)
        outage = plants.outage_mw * fading(noise["outage"], plants.outage_h)
        known = self._regime(calendar, "shortage_mw") + plants.exports(calendar)
        demand = used - sun.rooftop_mw * solar
        needed = demand - sun.farms_mw * solar - sun.wind(calendar, wind.real) + known + outage

        foreseen = self.demand.at(calendar, weather.temperature(calendar, warmth.seen))
        foreseen = foreseen - (sun.rooftop_mw + sun.farms_mw) * clear * sun.sky(cloud.seen)
        foreseen = foreseen - sun.wind(calendar, wind.seen) + known + _day_old(outage, plants.outage_h)
        error = _day_old(fading(noise["forecast"], self.forecast.error_h), np.inf)
        return State(
            fuel=self._regime(calendar, "fuel"),
            spikes=self._regime(calendar, "spikes"),
            temperature_c=temperature,
            demand_mw=demand,
            needed_mw=needed,
            foreseen_mw=foreseen + self.forecast.error_mw * error,
        )

    def _price(self, state: State, noise: Noise) -> Array:
        price = self.supply.offer(state.needed_mw + self.supply.restless(noise), state.fuel)
        price = price + self.supply.quote * noise["quote"]
        up = self.spikes.sizes(state.spikes * self.spikes.rate(state.needed_mw), noise)
        down = self.plunges.sizes(self.plunges.rate(state.needed_mw), noise)
        price = np.where(up > 0, np.maximum(price, up), price)
        price = np.where(down > 0, np.minimum(price, -down), price)
        return np.clip(price, self.price_floor, self.price_cap)

    def _forecast(self, state: State) -> Array:
        """(T,) the price expected a day ahead; spikes only raise it by their chance."""
        mean = np.zeros_like(state.fuel)
        for sigma, weight in UNSURE:
            needed = state.foreseen_mw + sigma * self.forecast.unsure_mw
            spiking = state.spikes * self.spikes.rate(needed) * self.spikes.last_h
            chance = spiking / (1 + spiking)
            usual = self.supply.offer(needed, state.fuel)
            mean += weight * ((1 - chance) * usual + chance * self.forecast.spike_price)
        return mean


def _day_old(level: Array, decay_h: float) -> Array:
    """What is expected of a fading process by those who saw it ISSUED_H ago; nothing before it began."""
    out = np.zeros_like(level)
    out[ISSUED_STEPS:] = level[:-ISSUED_STEPS] * np.exp(-ISSUED_H / decay_h)
    return out
