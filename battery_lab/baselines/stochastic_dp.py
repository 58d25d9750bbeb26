"""Stochastic dynamic programming: a Markov chain of prices by hour of the local day, solved by backward induction.

The method is that of Puterman (1994), Markov Decision Processes, chapter 4.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, NamedTuple

import numba as nb
import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from battery_lab.common.errors import require
from battery_lab.common.validated_options import Highest, Int, Unit, options
from battery_lab.envs.battery.cycle_caps import Allowance, new_meters
from battery_lab.envs.battery.delivery import deliver_within
from battery_lab.envs.battery.dispatch_problem import DispatchProblem
from battery_lab.envs.battery.physics import Array
from battery_lab.market.market_series import MarketSeries
from battery_lab.planning.bellman_backup import bellman_backup, greedy_action
from battery_lab.planning.bid_clearing import cleared
from battery_lab.planning.energy_grid import EnergyGrid, coarse_grid
from battery_lab.planning.marginal_bids import contingent_bids

Ints = NDArray[np.int64]

HOURS = 24
UNSEEN = 1e-3  # initial count of each transition, so that rare ones stay possible


@options("env.baselines.stochastic_dp")
class StochasticDP:
    """Fit a Markov chain to the training prices, and act on the expected value of stored energy.

    With bids, that value depends on the price that clears them, so the bid is the price at which buying stops.

    Attributes:
        quantiles: fractions in rising order that divide the prices of an hour of day into bins.
        days: number of days of backward induction. Once the values have converged, more days change nothing.
    """

    quantiles: Annotated[Sequence[Annotated[float, Field(gt=0, lt=1)]], Field(min_length=1, max_length=200)]
    days: Annotated[Int, Field(ge=1), Highest(366), Unit("days")]

    def __post_init__(self) -> None:
        rising = all(np.diff(self.quantiles) > 0)
        require(rising, "env.baselines.stochastic_dp.quantiles", "must rise from each item to the next", self.quantiles)

    def requests(self, problem: DispatchProblem) -> Array:
        """Return (T,) requests in MW. Rows before the first known price, and those of gaps, hold."""
        series, battery = problem.series, problem.battery
        model = fit_prices(problem.training, np.asarray(self.quantiles, np.float64))
        grid = coarse_grid(problem.planning_battery, series.interval_h)
        expected = self._expected_value(model, grid, series.interval_h)
        begin = max(problem.first - 1, 0)  # the price before the first row is known
        rows = series.rows(begin, problem.end)
        first, start = problem.first - begin, battery.energy_start_mwh
        known = (problem.price_lag, problem.bids)
        caps = (problem.allowance, new_meters(1)[0])
        request = _dispatch(_read(rows, model), first, known, model, expected, start, grid, caps)
        return np.asarray(request / series.interval_h)

    def _expected_value(self, model: PriceModel, grid: EnergyGrid, interval_h: float) -> Array:
        """Return the (slots, bins, levels) value of stored energy after a slot of the day whose price is in a bin."""
        slots, bins = round(HOURS / interval_h), model.mean.shape[1]
        expected, value = np.zeros((slots, bins, grid.size)), np.zeros((bins, grid.size))
        for _ in range(self.days):
            for slot in range(slots - 1, -1, -1):
                hour = int(slot * interval_h + 1e-9)
                expected[slot] = model.transition[hour] @ value
                _backup_bins(expected[slot], value, model.mean[hour], grid)
        return expected


class PriceModel(NamedTuple):
    """A Markov chain of price bins for each hour of the local day.

    Attributes:
        edges: (24, B - 1) upper edge of each bin except the last, currency per MWh.
        transition: (24, B, B) probability of the next interval's bin, given the hour and bin of this interval.
        mean: (24, B) mean price in a bin.
    """

    edges: Array
    transition: Array
    mean: Array


class _Rows(NamedTuple):
    """(T,) rows as the model sees them: price, its bin, hour of the local day, interval of the local day, and gap."""

    price: Array
    bin: Ints
    hour: Ints
    slot: Ints
    gap: NDArray[np.bool_]


def fit_prices(series: MarketSeries, quantiles: Array) -> PriceModel:
    """Fit a Markov chain of price bins to a series, hour by hour of the local day; its gaps do not count."""
    hour, price, count = _hours(series), np.array(series.price), len(quantiles) + 1
    known = ~series.gap
    overall = np.quantile(price[known], quantiles)
    seen = [price[(hour == h) & known] for h in range(HOURS)]
    edges = np.stack([np.quantile(prices, quantiles) if len(prices) else overall for prices in seen])
    bins = _bins(price, edges, hour)
    transition = np.full((HOURS, count, count), UNSEEN)
    follows = ~(series.gap[:-1] | series.gap[1:])
    np.add.at(transition, (hour[:-1][follows], bins[:-1][follows], bins[1:][follows]), 1.0)
    transition /= transition.sum(axis=2, keepdims=True)
    total, number = np.zeros((HOURS, count)), np.zeros((HOURS, count))
    np.add.at(total, (hour[known], bins[known]), price[known])
    np.add.at(number, (hour[known], bins[known]), 1.0)
    # A bin without any price of its hour (many prices are equal) gets the price of its upper edge.
    mean = np.where(number > 0, total / np.maximum(number, 1.0), edges[:, np.minimum(np.arange(count), count - 2)])
    return PriceModel(edges=edges, transition=transition, mean=mean)


def _hours(series: MarketSeries) -> Ints:
    return np.floor(series.hour + 1e-9).astype(np.int64)


def _read(series: MarketSeries, model: PriceModel) -> _Rows:
    hour, slot = _hours(series), np.floor(series.hour / series.interval_h + 1e-6).astype(np.int64)
    price = np.array(series.price)  # a copy: the compiled code is cached for writable arrays only
    return _Rows(price, _bins(price, model.edges, hour), hour, slot, np.array(series.gap))


@nb.njit(cache=True)
def _bins(price: Array, edges: Array, hour: Ints) -> Ints:
    bins = np.empty(len(price), np.int64)
    for t in range(len(price)):
        bins[t] = np.searchsorted(edges[hour[t]], price[t])
    return bins


@nb.njit(cache=True)
def _backup_bins(after: Array, value: Array, price: Array, grid: EnergyGrid) -> None:
    work = np.empty((4, grid.size))
    for b in range(len(price)):
        bellman_backup(after[b], value[b], work, price[b], grid)


@nb.njit(cache=True)
def _dispatch(
    rows: _Rows,
    first: int,
    known: tuple[int, bool],
    model: PriceModel,
    expected: Array,
    energy: float,
    grid: EnergyGrid,
    caps: tuple[Allowance, Array],
) -> Array:
    """Act on the price if it is known, bid if bids are cleared, and else act on the expected price."""
    (lag, bids), (allowance, meter), after = known, caps, np.zeros(grid.size)
    request = np.zeros(len(rows.price) - first)
    for t in range(first, len(rows.price)):
        price, requested = rows.price[t], 0.0
        if rows.gap[t]:
            requested = 0.0
        elif bids:
            bid, offer = contingent_bids(expected[rows.slot[t]], model.edges[rows.hour[t]], energy, grid)
            requested = cleared(bid, offer, price) * grid.limits.power_mwh
        elif lag == 0:
            requested = greedy_action(expected[rows.slot[t], rows.bin[t]], energy, price, grid)
        elif t > 0:
            chance = model.transition[rows.hour[t - 1], rows.bin[t - 1]]
            price = np.sum(chance * model.mean[rows.hour[t]])
            after[:] = 0.0
            for b in range(len(chance)):
                after += chance[b] * expected[rows.slot[t], b]
            requested = greedy_action(after, energy, price, grid)
        request[t - first] = requested
        _, energy = deliver_within(energy, requested, grid.limits, t - first, allowance, meter)
    return request
