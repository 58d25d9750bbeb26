"""Vintages of the synthetic market: the runs of its two forecasts of the price, P5MIN-like and predispatch-like."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from battery_lab.market.forecasts.forecast_vintages import ForecastVintages
from battery_lab.market.forecasts.vintage_runs import Runs
from battery_lab.market.synthetic_prices.drivers import STEP_H, STEP_MINUTES, Array
from battery_lab.market.synthetic_prices.forecaster import BurstView, Errors, Steps
from battery_lab.market.synthetic_prices.supply_curve import Supply

MINUTE = np.timedelta64(60, "s")
STEP = STEP_MINUTES * MINUTE
DAY_STEPS = 24 * 60 // STEP_MINUTES
HALF_HOUR = 30 // STEP_MINUTES
P5MIN_INTERVALS = 12
P5MIN_PUBLISHED = -1 * MINUTE  # after its first interval begins
PREDISPATCH_PUBLISHED = 2 * MINUTE
TRADING_DAY_BEGINS = 4 * 60 // STEP_MINUTES
# The first run of a day, by the start of its first interval, that covers the next trading day too.
NEXT_DAY_FROM = 25 * HALF_HOUR
BEYOND_STEPS = 2 * DAY_STEPS  # steps after the last interval that runs reach, rounded up


class Outlook(NamedTuple):
    """What forecasts are made of: (T,) arrays by step, which reach BEYOND_STEPS after the last interval.

    Attributes:
        supply: the supply curve.
        fuel: factor on offers above zero.
        needed_mw: power needed from plants and neighbours.
        offers_mw: offers that change within the hour.
        errors: errors of the forecast.
        bursts: spikes and plunges as they are seen.
        price_range: lowest and highest price.
    """

    supply: Supply
    fuel: Array
    needed_mw: Array
    offers_mw: Array
    errors: Errors
    bursts: list[BurstView]
    price_range: tuple[float, float]

    def forecast(self, first: Steps, counts: Steps, block: int) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Return the prices that runs forecast, in intervals of some steps.

        Args:
            first: (R,) step in which each run begins; what happens from it on is not known. A multiple of ``block``.
            counts: (R,) number of intervals of each run.
            block: steps of an interval.

        Returns:
            The (R + 1,) offsets of the runs and the (V,) prices, as in ``Runs``.
        """
        offset = np.concatenate([[0], np.cumsum(counts)])
        values = np.empty(offset[-1], np.float32)
        needed, fuel = (_means(array, block) for array in (self.needed_mw - self._error(), self.fuel))
        shows = _means(np.any([view.may_show() for view in self.bursts], axis=0).astype(float), block) > 0
        started = np.any([view.real > 0 for view in self.bursts], axis=0)
        before, has_before = np.maximum(first - 1, 0), first > 0  # before step 0, nothing is known
        for lead in range(int(counts.max())):
            chosen = np.flatnonzero(counts > lead)
            known, place = before[chosen], first[chosen] // block + lead
            ahead_h = STEP_H * (1 + lead * block + (block - 1) / 2)
            seen = needed[place]
            for process, decay_h in [*self.errors, (self.offers_mw, self.supply.bid_h)]:
                seen = seen + np.where(has_before[chosen], process[known], 0.0) * np.exp(-ahead_h / decay_h)
            price = self.supply.offer(seen, fuel[place])
            lifted = np.flatnonzero(shows[place] | (has_before[chosen] & started[known]))
            price[lifted] += self._bursts(first[chosen[lifted]], block * place[lifted], block, price[lifted])
            values[offset[chosen] + lead] = np.clip(price, *self.price_range).round(2)
        return offset, values

    def _error(self) -> Array:
        return np.asarray(sum(process for process, _ in self.errors))

    def _bursts(self, at: Steps, step: Steps, block: int, curve: Array) -> Array:
        """Return the (N,) mean over a block of steps of what bursts add to the price."""
        low, high = self.price_range
        total = np.zeros(len(at))
        for k in range(block):
            price = curve
            for view in self.bursts:
                price = price + view.excess(at, step + k, price)
            total += np.clip(price, low, high) - curve
        return total / block


def p5min(outlook: Outlook, start: np.datetime64, steps: int, every: int) -> ForecastVintages:
    """Return the P5MIN-like forecast: 12 five-minute intervals, made before each interval of the series.

    Args:
        outlook: what it is made of.
        start: UTC start of step 0.
        steps: number of steps of the series.
        every: steps from one run to the next.
    """
    first = np.arange(0, steps, every)
    offset, values = outlook.forecast(first, np.full(len(first), P5MIN_INTERVALS), 1)
    begins = start + STEP * first
    runs = Runs(begins + P5MIN_PUBLISHED, begins, offset, values)
    return ForecastVintages.of_runs(name="p5min", quantity="price", step_h=STEP_H, runs=runs)


def predispatch(outlook: Outlook, start: np.datetime64, steps: int) -> ForecastVintages:
    """Return the predispatch-like forecast: half-hours up to the end of the next trading day; see ``p5min``."""
    first = np.arange(0, steps, HALF_HOUR)
    # Step 0 is midnight of the market's clock.
    of_day = first % DAY_STEPS
    days = 1 + (of_day >= NEXT_DAY_FROM)
    end = first - of_day + days * DAY_STEPS + TRADING_DAY_BEGINS
    offset, values = outlook.forecast(first, (end - first) // HALF_HOUR, HALF_HOUR)
    begins = start + STEP * first
    runs = Runs(begins + PREDISPATCH_PUBLISHED, begins, offset, values)
    return ForecastVintages.of_runs(name="predispatch", quantity="price", step_h=HALF_HOUR * STEP_H, runs=runs)


def _means(values: Array, block: int) -> Array:
    return np.asarray(values[: len(values) // block * block].reshape(-1, block).mean(axis=1))
