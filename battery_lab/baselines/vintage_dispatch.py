"""Vintage dispatch: a receding horizon on the newest vintages of forecasts, and on prices that are known ahead."""

from __future__ import annotations

from typing import NamedTuple

import numba as nb
import numpy as np
from numpy.typing import NDArray

from battery_lab.baselines.expected_prices import expect_prices, newest_known
from battery_lab.envs.battery.cycle_caps import Allowance
from battery_lab.envs.battery.delivery import deliver_within
from battery_lab.envs.battery.physics import Array
from battery_lab.market.forecasts.newest_runs import NewestRuns, forecast, forecast_ahead
from battery_lab.planning.bellman_backup import greedy_action
from battery_lab.planning.energy_grid import EnergyGrid
from battery_lab.planning.marginal_bids import cleared_mwh
from battery_lab.planning.receding_plan import Plan, clear_plan, last_change, revise

ANY, NEWEST = -1, 0


class Known(NamedTuple):
    """What is known in each of T rows.

    Attributes:
        price: (T,) prices; NaN in gaps, in which the battery is idle.
        price_end: (T,) the row after the last one whose price is known.
        column: (T,) the column of a forecast.
        column_end: (T,) the row after the last one whose forecast is known; the row itself if there is none.
        runs: the newest runs of forecasts.
        step_s: length of a row, seconds.
    """

    price: Array
    price_end: NDArray[np.int64]
    column: Array
    column_end: NDArray[np.int64]
    runs: NewestRuns
    step_s: int


class Rhythm(NamedTuple):
    """Numbers of rows: how far a plan looks at least and at most, from plan to plan, per day; and the days of means."""

    horizon: int
    longest: int
    replan: int
    day: int
    days: int


@nb.njit(cache=True)
def dispatch(
    span: tuple[int, int, bool],
    known: Known,
    price: Array,
    rhythm: Rhythm,
    energy: float,
    grid: EnergyGrid,
    plan: Plan,
    caps: tuple[Allowance, Array],
) -> Array:
    """Return requests in MWh.

    Args:
        span: first row, the row after the last one, and whether the battery bids.
        known: what is known.
        price: (T,) prices that the intervals are settled at.
        rhythm: how far and how often plans are made.
        energy: stored energy at the start.
        grid: the battery on its grid.
        plan: room for a plan of ``rhythm.longest`` rows more than one.
        caps: the caps on cycles, and a meter.
    """
    (first, end, bids), (allowance, meter) = span, caps
    request = np.zeros(end - first)
    ahead, rest = np.empty(rhythm.longest + 1), np.empty(rhythm.longest + 1)
    base, planned_at = -1, first
    for t in range(first, end):
        if known.price_end[t] <= 0 or np.isnan(known.price[t]):
            _, energy = deliver_within(energy, 0.0, grid.limits, t - first, allowance, meter)
            base, planned_at = -1, t + 1
            continue
        if (t - planned_at) % rhythm.replan == 0 or _is_published(known.runs, t):
            planned_at = t
            base = _plan_from(t, base, end, known, rhythm, grid, plan, ahead, rest)
        after = plan.value[t - base]
        if bids:
            request[t - first] = cleared_mwh(after, energy, price[t], grid)
        else:
            request[t - first] = greedy_action(after, energy, _price_now(t, known), grid)
        _, energy = deliver_within(energy, request[t - first], grid.limits, t - first, allowance, meter)
    return request


@nb.njit(cache=True)
def _is_published(runs: NewestRuns, t: int) -> bool:
    """Return whether a newer run is seen at row ``t`` than at the row before."""
    newer = False
    for p in range(len(runs.step_s)):
        newer |= t > 0 and runs.run[p, t] != runs.run[p, t - 1]
    return newer


@nb.njit(cache=True)
def _plan_from(
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


@nb.njit(cache=True)
def _price_now(t: int, known: Known) -> float:
    """Return the price of row ``t`` if it is known, and else the newest known one, corrected by the forecasts."""
    price: float = known.price[t]
    if t < known.price_end[t]:
        return price
    newest = newest_known(known.price, known.price_end[t] - 1)
    price = known.price[newest]
    now: float = forecast(known.runs, ANY, t, 0, known.step_s, NEWEST)
    if not np.isnan(now):
        # What was forecast for the newest known price at its own time shows the error of the forecast.
        before: float = forecast(known.runs, ANY, newest, 0, known.step_s, NEWEST)
        return now if np.isnan(before) else price + now - before
    if known.column_end[t] > t:
        price += known.column[t] - known.column[newest]
    return price
