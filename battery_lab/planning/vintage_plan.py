"""Vintage plan: the value of stored energy on the newest forecasts at every row, and the bids that follow from it."""

from __future__ import annotations

from typing import NamedTuple

import numba as nb
import numpy as np
from numpy.typing import NDArray

from battery_lab.envs.battery.physics import Array, Battery
from battery_lab.market.forecasts.future_values import PRICE, is_known_ahead, known_ends
from battery_lab.market.forecasts.newest_runs import NewestRuns, forecast_ahead
from battery_lab.market.forecasts.newest_vintages import NewestVintages, Ranks, compiled_runs
from battery_lab.market.forecasts.vintage_runs import HOUR_S
from battery_lab.market.market_series import MarketSeries
from battery_lab.planning.energy_grid import EnergyGrid, coarse_grid
from battery_lab.planning.expected_prices import expect_prices
from battery_lab.planning.marginal_bids import marginal_bids
from battery_lab.planning.receding_plan import Plan, clear_plan, last_change, new_plan, revise

FORECAST = "price_forecast"
LONGER_H = 1.0  # how much further a plan may look, so that its end can stay for a while


class Known(NamedTuple):
    """What is known in each of T rows.

    Attributes:
        price: (T,) prices; NaN in gaps, in which the battery is idle.
        price_end: (T,) the row after the last one whose price is known.
        column: (T,) the column of a forecast.
        column_end: (T,) the row after the last one whose forecast is known; the row itself if there is none.
        runs: the newest runs of forecasts.
        step_s: length of a row, seconds.
        corrects: whether an unknown price is the last known one with the change of its forecast, and not the forecast.
    """

    price: Array
    price_end: NDArray[np.int64]
    column: Array
    column_end: NDArray[np.int64]
    runs: NewestRuns
    step_s: int
    corrects: bool


class Rhythm(NamedTuple):
    """Numbers of rows: how far a plan looks at least and at most, from plan to plan, per day; and the days of means."""

    horizon: int
    longest: int
    replan: int
    day: int
    days: int


def known_values(series: MarketSeries, price_lag: int, ranks: Ranks, corrects: bool = True) -> Known:
    """Return what is known in each row of a series.

    Args:
        series: the market.
        price_lag: 0 if the price of a row is known when it is dispatched, 1 if only the one before is.
        ranks: the forecasts of the price with vintages.
        corrects: as in ``Known``.
    """
    price = np.array(series.price)  # copies: the compiled code is cached for writable arrays only
    has_column = FORECAST in series.columns and is_known_ahead(series, FORECAST)
    return Known(
        price=np.where(series.gap, np.nan, price),
        price_end=known_ends(series, PRICE, price_lag),
        column=np.array(series.columns[FORECAST]) if has_column else price,
        column_end=known_ends(series, FORECAST, 0) if has_column else np.arange(len(series)),
        runs=compiled_runs(NewestVintages(ranks, series.start)),
        step_s=round(series.interval_h * HOUR_S),
        corrects=corrects,
    )


def new_rhythm(series: MarketSeries, horizon_h: float, replan_minutes: float, days: int) -> Rhythm:
    """Return the numbers of rows of plans on vintages.

    Args:
        series: the market.
        horizon_h: how far ahead each plan looks at least, hours.
        replan_minutes: longest time from one plan to the next, minutes.
        days: number of past days in the mean price of a time of day, where nothing is forecast.
    """

    def rows(hours: float) -> int:
        return max(round(hours / series.interval_h), 1)

    horizon = rows(horizon_h)
    return Rhythm(horizon, horizon + rows(LONGER_H) - 1, rows(replan_minutes / 60), series.intervals_per_day, days)


def planned_bids(
    known: Known, gap: NDArray[np.bool_], rhythm: Rhythm, battery: Battery, interval_h: float, knots: int
) -> Array:
    """Return the marginal bids of a plan at every row, before the price of the row is known.

    Args:
        known: what is known in each of T rows.
        gap: (T,) whether a row is in a gap. The price of a row that is not may be unknown, too: that of a coming one.
        rhythm: how far and how often plans are made.
        battery: the battery.
        interval_h: length of a row, hours.
        knots: number of stored energies M, evenly spaced from the lowest to the highest, at least 2.

    Returns:
        (T, 2 M) bids and offers, currency per MWh; at a full store the bid and at an empty one the offer of the
        neighboring knot. In gaps and before the first known price, those of the row before, or 0.
    """
    grid = coarse_grid(battery, interval_h)
    energies = np.linspace(battery.energy_min_mwh, battery.energy_max_mwh, knots)
    return np.asarray(_planned_bids(known, np.array(gap), rhythm, grid, new_plan(rhythm.longest + 1, grid), energies))


@nb.njit(cache=True)
def _planned_bids(
    known: Known, gap: NDArray[np.bool_], rhythm: Rhythm, grid: EnergyGrid, plan: Plan, energies: Array
) -> Array:
    rows, knots = len(known.price), len(energies)
    bids = np.zeros((rows, 2 * knots))
    ahead, rest = np.empty(rhythm.longest + 1), np.empty(rhythm.longest + 1)
    base, planned_at = -1, 0
    for t in range(rows):
        if known.price_end[t] <= 0 or gap[t]:
            base, planned_at = -1, t + 1
            if t > 0:
                bids[t] = bids[t - 1]
            continue
        if (t - planned_at) % rhythm.replan == 0 or is_published(known.runs, t):
            planned_at = t
            # Plans look beyond the last row, so that a bid does not depend on where the series ends.
            base = plan_from(t, base, rows + rhythm.longest, known, rhythm, grid, plan, ahead, rest)
        for m in range(knots):
            bids[t, m], bids[t, knots + m] = marginal_bids(plan.value[t - base], energies[m], grid)
        bids[t, knots - 1] = bids[t, knots - 1] if np.isfinite(bids[t, knots - 1]) else bids[t, knots - 2]
        bids[t, knots] = bids[t, knots] if np.isfinite(bids[t, knots]) else bids[t, knots + 1]
    return bids


@nb.njit(cache=True)
def is_published(runs: NewestRuns, t: int) -> bool:
    """Return whether a newer run is seen at row ``t`` than at the row before."""
    newer = False
    for p in range(len(runs.step_s)):
        newer |= t > 0 and runs.run[p, t] != runs.run[p, t - 1]
    return newer


@nb.njit(cache=True)
def plan_from(
    t: int, base: int, end: int, known: Known, rhythm: Rhythm, grid: EnergyGrid, plan: Plan, ahead: Array, rest: Array
) -> int:
    """Bring the plan up to date at row ``t``, and return the row that it begins at, which is ``base`` or ``t``.

    A plan is started again when it would look less far than the horizon, when a day of prices is published, and when
    forecasts of more than half of it change.
    """
    begins = base < 0 or t - base > rhythm.longest - rhythm.horizon
    if not begins:
        begins = known.price_end[t] - known.price_end[base] > t - base
        begins = begins or known.column_end[t] - known.column_end[base] > t - base
    if not begins:
        last = min(rhythm.longest, end - 1 - base)
        _expect(ahead, t, base, last, known, rest)
        begins = 2 * (last_change(plan, ahead, t - base + 1, last) - (t - base)) > rhythm.horizon
    if begins:
        base, last = t, min(rhythm.longest, end - 1 - t)
        lag, lead = t + 1 - min(known.price_end[t], len(known.price)), known.column_end[t] - t - 1
        expect_prices(rest, t, lag, known.price, known.column, lead, (rhythm.day, rhythm.days))
        _expect(ahead, t, base, last, known, rest)
        clear_plan(plan, last)
    revise(plan, ahead, t - base, rhythm.replan, last, grid)
    return base


@nb.njit(cache=True)
def _expect(ahead: Array, t: int, base: int, last: int, known: Known, rest: Array) -> None:
    """Write the prices that are expected at row ``t`` of the rows after it, counted from ``base``."""
    now = t - base
    ahead[now : last + 1] = rest[now : last + 1]
    forecast_ahead(known.runs, t, known.step_s, ahead[now : last + 1])
    for row in range(t + 1, min(known.price_end[t], base + last + 1, len(known.price))):
        if not np.isnan(known.price[row]):
            ahead[row - base] = known.price[row]
