"""Synthetic market: a seeded market that resembles a real one with much solar power (see docs/market.md).

A supply curve turns the power needed from plants (demand minus solar and wind power plus outages) into prices. Rare
spikes occur when plants run short, and plunges when there is a surplus.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, fields, is_dataclass, replace
from typing import Annotated, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from battery_lab.common.errors import require
from battery_lab.common.validated_options import Int, Unit, options
from battery_lab.market.forecasts.forecast_vintages import ForecastVintages
from battery_lab.market.market_series import MarketSeries
from battery_lab.market.series_cache import cache_key, cached
from battery_lab.market.synthetic_prices.bursts import Bursts, Plunges, Spikes
from battery_lab.market.synthetic_prices.drivers import (
    ISSUED_H,
    ISSUED_STEPS,
    LEAD_H,
    STEP_MINUTES,
    Array,
    DecayTime,
    Demand,
    LocalTime,
    Noise,
    Renewables,
    Spread,
    Weather,
    fading,
)
from battery_lab.market.synthetic_prices.forecaster import Forecaster
from battery_lab.market.synthetic_prices.noise import DRIVERS, draw_forecast_noise, draw_noise
from battery_lab.market.synthetic_prices.supply_curve import Supply
from battery_lab.market.synthetic_prices.vintages import BEYOND_STEPS, Outlook, p5min, predispatch
from battery_lab.market.synthetic_prices.year_factors import Regime

TIME_ZONE = "Etc/GMT-10"
UTC_OFFSET = np.timedelta64(10, "h")
SETTLE_DAYS = 60  # duration of the transition to a new year's regime
# Gauss-Hermite nodes and weights of a standard normal distribution, for means over the forecaster's uncertainty.
UNSURE = ((-(3**0.5), 1 / 6), (0.0, 2 / 3), (3**0.5, 1 / 6))


@options("market.forecast")
class Forecast:
    """The quality of the day-ahead price forecast.

    Attributes:
        error_mw: standard deviation of the forecaster's error of the power needed from plants, MW.
        error_h: its decay time, hours.
        unsure_mw: uncertainty of that power in the forecaster's view, MW; forecasts are means over it.
        spike_price: expected price of a spike, currency per MWh.
    """

    error_mw: Spread
    error_h: DecayTime
    unsure_mw: Spread
    spike_price: Annotated[float, Field(ge=0, le=100_000), Unit("currency per MWh")]


class MarketState(NamedTuple):
    """(T,) state of the market in each step; ``foreseen_mw`` is ``needed_mw`` as seen a day ahead."""

    fuel: Array
    spikes: Array
    temperature_c: Array
    demand_mw: Array
    needed_mw: Array
    foreseen_mw: Array


@options("market")
class SyntheticMarket:
    """An option of conf/market: a simulated market, which is the same for the same seed.

    Attributes:
        seed: seed of the market. Trials with the same seed share the market.
        years: number of calendar years. More years do not change the first ones.
        first_year: the first calendar year.
        interval_minutes: length of an interval, minutes; intervals longer than 5 minutes are means of 5 minutes.
        price_floor: lowest price, currency per MWh.
        price_cap: highest price, currency per MWh.
        regimes: one per year; after the last, the first returns.
        weather: spells of temperature, cloud and wind.
        demand: electricity demand.
        renewables: solar and wind power.
        supply: the supply curve.
        spikes: bursts upward.
        plunges: bursts downward.
        forecast: the quality of the forecast column.
        vintages: whether the market also issues the forecasts ``p5min`` and ``predispatch``; see docs/market.md.
        forecaster: how these err; None in trials of versions that had none.
    """

    seed: Annotated[Int, Field(ge=0, lt=2**63)]
    years: Annotated[Int, Field(ge=1, le=50)]
    first_year: Annotated[Int, Field(ge=1970, le=2200)]
    interval_minutes: Literal[5, 10, 15, 20, 30, 60]
    price_floor: Annotated[float, Field(ge=-1_000_000, le=0), Unit("currency per MWh")]
    price_cap: Annotated[float, Field(gt=0, le=1_000_000), Unit("currency per MWh")]
    regimes: Annotated[Sequence[Regime], Field(min_length=1)]
    weather: Weather
    demand: Demand
    renewables: Renewables
    supply: Supply
    spikes: Spikes
    plunges: Plunges
    forecast: Forecast
    vintages: bool
    forecaster: Forecaster | None

    def __post_init__(self) -> None:
        given = not self.vintages or self.forecaster is not None
        require(given, "market.forecaster", "must be given with market.vintages=true", self.forecaster)

    def load(self) -> MarketSeries:
        """Return the series: price, ``demand_mw``, ``temperature_c``, and ``price_forecast`` one day ahead.

        The clock is UTC+10 all year, as in the Australian market, so no hour is missing or repeated. With ``vintages``,
        the series also has the forecasts ``p5min`` and ``predispatch``; all else is the same.
        """
        steps = len(self._local_steps())
        if not self.vintages:
            return self.simulate(draw_noise(self.seed, steps))
        noise = draw_noise(self.seed, steps + BEYOND_STEPS)
        series = self.simulate({name: numbers[:steps] for name, numbers in noise.items()})
        return replace(series, forecasts=self.forecasts(noise, draw_forecast_noise(self.seed, steps + BEYOND_STEPS)))

    def load_cached(self, folder: str) -> MarketSeries:
        """Return the same series as ``load``, from the cache in a folder if options and code have not changed."""
        parts = [part for field in fields(self) if is_dataclass(part := getattr(self, field.name))]
        if any(type(part).__module__.rpartition(".")[0] != __package__ for part in (*parts, *self.regimes)):
            return self.load()  # The key of the cache would not notice a change of the user's own code.
        return cached(folder, cache_key(type(self), asdict(self), []), self.load)

    def simulate(self, noise: Noise) -> MarketSeries:
        """Return the series for given noise; ``draw_noise`` has the names and shapes."""
        local = self._local_steps()
        state = self._state(LocalTime.of(local), noise)
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
            price_floor=self.price_floor,
            price_cap=self.price_cap,
        )

    def forecasts(self, noise: Noise, forecast_noise: Noise) -> dict[str, ForecastVintages]:
        """Return the forecasts of ``market.vintages`` by product.

        Args:
            noise: as in ``simulate``, with the numbers of BEYOND_STEPS more steps: the last runs reach beyond the
                series.
            forecast_noise: as long; ``draw_forecast_noise`` has the names.

        Raises:
            ValueError: there is no forecaster.
        """
        if self.forecaster is None:
            raise ValueError("the market has no forecaster")
        steps, local = len(self._local_steps()), self._local_steps(BEYOND_STEPS)
        state = self._state(LocalTime.of(local), noise)
        outlook = Outlook(
            supply=self.supply,
            fuel=state.fuel,
            needed_mw=state.needed_mw + self.supply.flows(noise),
            offers_mw=self.supply.offers(noise),
            errors=self.forecaster.errors(forecast_noise),
            bursts=[
                self.forecaster.view(bursts, rate, bursts.sizes(rate, noise), forecast_noise)
                for bursts, rate in self._burst_rates(state)
            ],
            price_range=(self.price_floor, self.price_cap),
        )
        near = outlook._replace(errors=self.forecaster.p5min_errors(outlook.errors))
        start = local[0] - UTC_OFFSET
        products = (
            p5min(near, start, steps, self.interval_minutes // STEP_MINUTES),
            predispatch(outlook, start, steps),
        )
        return {product.name: product for product in products}

    def _local_steps(self, more: int = 0) -> NDArray[np.datetime64]:
        first, end = (np.datetime64(f"{year}-01-01", "s") for year in (self.first_year, self.first_year + self.years))
        step = np.timedelta64(60 * STEP_MINUTES, "s")
        return np.arange(first, end + more * step, step)

    def _means(self, values: Array, decimals: int) -> Array:
        """Return interval means, rounded as operators publish them and so that they are the same on all processors."""
        steps = self.interval_minutes // STEP_MINUTES
        return np.asarray(values.reshape(-1, steps).mean(axis=1).round(decimals))

    def _regime(self, time: LocalTime, name: str) -> Array:
        """Return one (T,) parameter of the regimes, which changes to the new year's value within SETTLE_DAYS."""
        by_year = np.array([getattr(regime, name) for regime in self.regimes], np.float64)
        now, before = time.year % len(by_year), np.maximum(time.year - 1, 0) % len(by_year)
        settled = np.minimum(time.day_of_year / SETTLE_DAYS, 1.0)
        return np.asarray(settled * by_year[now] + (1 - settled) * by_year[before])

    def _state(self, time: LocalTime, noise: Noise) -> MarketState:
        weather, sun, plants = self.weather, self.renewables, self.supply
        warmth, cloud, wind = (weather.spell(noise, name) for name in DRIVERS)
        clear = self._regime(time, "solar") * sun.clear_sky(time)
        solar = clear * sun.sky(cloud.real + sun.flicker * fading(noise["flicker"], sun.flicker_h))
        temperature = weather.temperature(time, warmth.real)
        used = self.demand.at(time, temperature)
        used = used + self.demand.surprise_mw * fading(noise["demand"], self.demand.surprise_h)
        outage = plants.outage_mw * fading(noise["outage"], plants.outage_h)
        known = self._regime(time, "shortage_mw") + plants.exports(time)
        demand = used - sun.rooftop_mw * solar
        needed = demand - sun.farms_mw * solar - sun.wind(time, wind.real) + known + outage

        foreseen = self.demand.at(time, weather.temperature(time, warmth.seen))
        foreseen = foreseen - (sun.rooftop_mw + sun.farms_mw) * clear * sun.sky(cloud.seen)
        foreseen = foreseen - sun.wind(time, wind.seen) + known + _day_old(outage, plants.outage_h)
        error = _day_old(fading(noise["forecast"], self.forecast.error_h), np.inf)
        return MarketState(
            fuel=self._regime(time, "fuel"),
            spikes=self._regime(time, "spikes"),
            temperature_c=temperature,
            demand_mw=demand,
            needed_mw=needed,
            foreseen_mw=foreseen + self.forecast.error_mw * error,
        )

    def _price(self, state: MarketState, noise: Noise) -> Array:
        price = self.supply.offer(state.needed_mw + self.supply.deviation(noise), state.fuel)
        price = price + self.supply.quote * noise["quote"]
        up, down = (bursts.sizes(rate, noise) for bursts, rate in self._burst_rates(state))
        price = np.where(up > 0, np.maximum(price, up), price)
        price = np.where(down > 0, np.minimum(price, -down), price)
        return np.clip(price, self.price_floor, self.price_cap)

    def _burst_rates(self, state: MarketState) -> list[tuple[Bursts, Array]]:
        """Return spikes and plunges, each with the (T,) expected number of new ones per hour."""
        spikes = state.spikes * self.spikes.rate(state.needed_mw)
        return [(self.spikes, spikes), (self.plunges, self.plunges.rate(state.needed_mw))]

    def _forecast(self, state: MarketState) -> Array:
        """Return the (T,) price expected a day ahead; spikes raise it only by their probability."""
        mean = np.zeros_like(state.fuel)
        for sigma, weight in UNSURE:
            needed = state.foreseen_mw + sigma * self.forecast.unsure_mw
            spiking = state.spikes * self.spikes.rate(needed) * self.spikes.last_h
            chance = spiking / (1 + spiking)
            usual = self.supply.offer(needed, state.fuel)
            mean += weight * ((1 - chance) * usual + chance * self.forecast.spike_price)
        return mean


def _day_old(level: Array, decay_h: float) -> Array:
    """Return the expectation of a fading process, given its value ISSUED_H ago; 0 before it began."""
    out = np.zeros_like(level)
    out[ISSUED_STEPS:] = level[:-ISSUED_STEPS] * np.exp(-ISSUED_H / decay_h)
    return out
