"""Plans of a fixed look-ahead at every interval, for the ladder: what three ways to dispatch on them earn."""

from __future__ import annotations

import numba as nb
import numpy as np
from numpy.typing import NDArray

from battery_lab.envs.battery.delivery import deliver_mwh
from battery_lab.envs.battery.physics import Array, Battery
from battery_lab.market.forecasts.newest_runs import NewestRuns, forecast
from battery_lab.market.forecasts.newest_vintages import NewestVintages, compiled_runs, ranked_products
from battery_lab.market.market_series import MarketSeries
from battery_lab.planning.bellman_backup import bellman_backup, greedy_action
from battery_lab.planning.energy_grid import EnergyGrid, fit_grid
from battery_lab.planning.marginal_bids import cleared_mwh

COLUMNS = ("price known", "on the forecast", "bids")
KNOWN, BIDS = 0, 2
ANY, NEWEST = -1, 0
MERGED = 6  # most rows of equal price that are one step of a plan: those of a half-hour
# With perfect forecasts, longer plans are made every hour only, and look up to an hour further: an eighth of the time.
OFTEN_H = 4.0


def ladder_revenue(
    series: MarketSeries, look: int, battery: Battery, end_price: float = 0.0, perfect: bool = False
) -> Array:
    """Return the (3,) revenue of a battery that plans again in every row, by way of dispatch (``COLUMNS``).

    Rows for which nothing is forecast end a plan. If that is the dispatched row itself, its price is used.

    Args:
        series: prices, and vintages of the price, of which the finest step counts first.
        look: rows of each plan, the dispatched one included.
        battery: the battery, without wear and self-discharge.
        end_price: what a MWh left at the end of a plan is worth.
        perfect: the forecasts are the prices themselves.
    """
    grid = fit_grid(battery, series.interval_h, at_least=40, tolerance=0.02)
    factors = range(1, MERGED + 1)
    grids = tuple(grid._replace(charge=rows * grid.charge, discharge=rows * grid.discharge) for rows in factors)
    ranks = [] if perfect else ranked_products(series, "price", None, "forecasts")
    step_s = round(3600 * series.interval_h)
    apart = round(1 / series.interval_h) if perfect and look * series.interval_h > OFTEN_H else 1
    return np.asarray(
        _revenue(
            np.array(series.price),  # a copy: compiled code is cached for writable arrays
            compiled_runs(NewestVintages(ranks, series.start)),
            (perfect, look, apart, step_s),
            battery.energy_start_mwh,
            grids,
            end_price,
        )
    )


@nb.njit(cache=True)
def _revenue(
    price: Array,
    runs: NewestRuns,
    plan: tuple[bool, int, int, int],
    start_mwh: float,
    grids: tuple[EnergyGrid, ...],
    end_price: float,
) -> Array:
    (perfect, look, apart, step_s), grid = plan, grids[0]
    value, work, ahead = np.zeros((apart, grid.size)), np.empty((4, grid.size)), np.empty(look + apart - 1)
    last = end_price * grid.sold_mwh * np.arange(grid.size)
    energy, revenue = np.full(3, start_mwh), np.zeros(3)
    for t in range(len(price)):
        if t % apart == 0:
            if perfect:
                known = min(len(ahead), len(price) - t)
                ahead[:known] = price[t : t + known]
            else:
                known = _foreseen(ahead[: len(price) - t], t, runs, step_s)
            _plan(value, work, ahead[:known], last, grids)
        after = value[t % apart]
        for way in range(3):
            if way == BIDS:
                request = cleared_mwh(after, energy[way], price[t], grid)
            else:
                now = price[t] if way == KNOWN or perfect or known == 0 else ahead[0]
                request = greedy_action(after, energy[way], now, grid)
            power, energy[way] = deliver_mwh(energy[way], request, grid.limits)
            revenue[way] += power * price[t]
    return revenue


@nb.njit(cache=True)
def _foreseen(ahead: Array, t: int, runs: NewestRuns, step_s: int) -> int:
    """Write the newest forecasts of row ``t`` and those after it; return how many rows they cover."""
    for k in range(len(ahead)):
        ahead[k] = forecast(runs, ANY, t, k * step_s, (k + 1) * step_s, NEWEST)
        if np.isnan(ahead[k]):
            return k
    return len(ahead)


@nb.njit(cache=True)
def _plan(value: Array, work: Array, ahead: Array, last: NDArray[np.float64], grids: tuple[EnergyGrid, ...]) -> None:
    """Write the value of stored energy after row k of a plan to ``value[k]``."""
    apart, now, k = len(value), last.copy(), len(ahead) - 1
    value[max(k, 0) :] = last
    while k > 0:
        merged, most = 1, min(len(grids), k - apart + 1)
        if ahead[k] >= 0:  # at negative prices, buying and selling in turn burns energy and earns
            while merged < most and ahead[k - merged] == ahead[k]:
                merged += 1
        bellman_backup(now, now, work, ahead[k], grids[merged - 1])
        k -= merged
        if k < apart:
            value[k] = now
