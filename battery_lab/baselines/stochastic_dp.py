"""Stochastic dynamic programming: a Markov model of prices by hour of the local day, solved backwards.

The strongest baseline without learning (Puterman 1994, Markov Decision Processes, ch. 4, for the method).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numba as nb
import numpy as np
from numpy.typing import NDArray

from battery_lab.common.errors import require
from battery_lab.envs.battery.physics import Array, deliver_mwh
from battery_lab.envs.battery.problem import DispatchProblem
from battery_lab.market.series import MarketSeries
from battery_lab.planning.energy_grid import EnergyGrid, bellman_backup, coarse_grid, greedy_action

Ints = NDArray[np.int64]

HOURS = 24
UNSEEN = 1e-3  # counts of transitions never seen: rare ones stay possible


@dataclass(frozen=True, kw_only=True)
class StochasticDP:
    """Fit how prices follow one another in training time, and act on the expected value of stored energy.

    Attributes:
        quantiles: where prices of an hour of day are cut into bins, fractions, rising.
        days: how many days back the value of stored energy is solved; more changes nothing once it is settled.
    """

    quantiles: Sequence[float]
    days: int

    def __post_init__(self) -> None:
        cuts = list(self.quantiles)
        rising = len(cuts) > 0 and all(0 < q < 1 for q in cuts) and all(np.diff(cuts) > 0)
        rule = "must be fractions between 0 and 1, at least one, each greater than the one before"
        require(rising, "env.baselines.stochastic_dp.quantiles", rule, cuts)
        require(self.days >= 1, "env.baselines.stochastic_dp.days", "must be at least 1 day", self.days)

    def requests(self, problem: DispatchProblem) -> Array:
        """Return (T,) requests in MW; rows before any price is known hold."""
        series, battery = problem.series, problem.battery
        model = fit_prices(problem.training, np.asarray(self.quantiles, np.float64))
        grid = coarse_grid(battery, series.interval_h)
        expected = self._expected_value(model, grid, series.interval_h)
        begin = max(problem.first - 1, 0)  # the price before the first row is known
        rows = series.rows(begin, problem.end)
        first, start = problem.first - begin, battery.energy_start_mwh
        request = _dispatch(_read(rows, model), first, problem.price_lag, model, expected, start, grid)
        return np.asarray(request / series.interval_h)

    def _expected_value(self, model: PriceModel, grid: EnergyGrid, interval_h: float) -> Array:
        """(slots, bins, levels) what stored energy is worth after a slot of the day whose price is in a bin."""
        slots, bins = round(HOURS / interval_h), model.mean.shape[1]
        expected, value = np.zeros((slots, bins, grid.size)), np.zeros((bins, grid.size))
        for _ in range(self.days):
            for slot in range(slots - 1, -1, -1):
                hour = int(slot * interval_h + 1e-9)
                expected[slot] = model.transition[hour] @ value
                _backup_bins(expected[slot], value, model.mean[hour], grid)
        return expected


class PriceModel(NamedTuple):
    """A Markov chain of price bins, for each hour of the local day.

    Attributes:
        edges: (24, B - 1) upper edge of each bin but the last, currency per MWh.
        transition: (24, B, B) chance of the next interval's bin, given this interval's hour and bin.
        mean: (24, B) mean price in a bin.
    """

    edges: Array
    transition: Array
    mean: Array


class _Rows(NamedTuple):
    """(T,) what the model sees of each row: price, its bin, hour of the local day, interval of the local day."""

    price: Array
    bin: Ints
    hour: Ints
    slot: Ints


def fit_prices(series: MarketSeries, quantiles: Array) -> PriceModel:
    """Fit a Markov chain of price bins to a series, hour by hour of the local day."""
    hour, price, count = _hours(series), np.array(series.price), len(quantiles) + 1
    overall = np.quantile(price, quantiles)
    seen = [price[hour == h] for h in range(HOURS)]
    edges = np.stack([np.quantile(prices, quantiles) if len(prices) else overall for prices in seen])
    bins = _bins(price, edges, hour)
    transition = np.full((HOURS, count, count), UNSEEN)
    follows = ~(series.gap[:-1] | series.gap[1:])
    np.add.at(transition, (hour[:-1][follows], bins[:-1][follows], bins[1:][follows]), 1.0)
    transition /= transition.sum(axis=2, keepdims=True)
    total, number = np.zeros((HOURS, count)), np.zeros((HOURS, count))
    np.add.at(total, (hour, bins), price)
    np.add.at(number, (hour, bins), 1.0)
    # A bin that holds no price of its hour (many equal prices) is valued at its upper edge.
    mean = np.where(number > 0, total / np.maximum(number, 1.0), edges[:, np.minimum(np.arange(count), count - 2)])
    return PriceModel(edges=edges, transition=transition, mean=mean)


def _hours(series: MarketSeries) -> Ints:
    return np.floor(series.hour + 1e-9).astype(np.int64)


def _read(series: MarketSeries, model: PriceModel) -> _Rows:
    hour, slot = _hours(series), np.floor(series.hour / series.interval_h + 1e-6).astype(np.int64)
    price = np.array(series.price)  # a copy: compiled code is kept for writable arrays only
    return _Rows(price, _bins(price, model.edges, hour), hour, slot)


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
    rows: _Rows, first: int, lag: int, model: PriceModel, expected: Array, energy: float, grid: EnergyGrid
) -> Array:
    """Act on the price where it is known, and on what usually follows the last one where it is not."""
    request, after = np.zeros(len(rows.price) - first), np.zeros(grid.size)
    for t in range(first, len(rows.price)):
        price, wanted = rows.price[t], 0.0
        if lag == 0:
            wanted = greedy_action(expected[rows.slot[t], rows.bin[t]], energy, price, grid)
        elif t > 0:
            chance = model.transition[rows.hour[t - 1], rows.bin[t - 1]]
            price = np.sum(chance * model.mean[rows.hour[t]])
            after[:] = 0.0
            for b in range(len(chance)):
                after += chance[b] * expected[rows.slot[t], b]
            wanted = greedy_action(after, energy, price, grid)
        request[t - first] = wanted
        _, energy = deliver_mwh(energy, wanted, grid.limits)
    return request
