"""Receding horizon: plan the coming hours on a price forecast, dispatch the first part, and plan again."""

from __future__ import annotations

from typing import Annotated

import numba as nb
import numpy as np
from pydantic import Field

from battery_lab.common.errors import require
from battery_lab.common.validated_options import Highest, Int, Unit, options
from battery_lab.envs.battery.cycle_caps import Allowance, new_meters
from battery_lab.envs.battery.delivery import deliver_within
from battery_lab.envs.battery.dispatch_problem import DispatchProblem
from battery_lab.envs.battery.physics import Array
from battery_lab.planning.bellman_backup import bellman_backup, greedy_action
from battery_lab.planning.energy_grid import EnergyGrid, coarse_grid
from battery_lab.planning.marginal_bids import cleared_mwh

FORECAST = "price_forecast"
NOT_PUBLISHED = -1


@options("env.baselines.receding_horizon")
class RecedingHorizon:
    """Plan on the price forecast of the series, or without one on the mean price at the same time of past days.

    With bids, each interval is bid at the marginal value of stored energy in the last plan.

    The forecast is the column ``price_forecast``, used as far ahead as its ``lead_h`` says it is published. The price
    of the current interval is the last known price. If that is the price of the interval before, it is corrected by
    the change of the published forecast.

    Attributes:
        horizon_h: how far ahead each plan looks, hours.
        replan_minutes: time from one plan to the next, minutes. Between plans, each known price is compared with the
            values of stored energy from the last plan.
        days: number of past days in the mean price of a time of day.
    """

    horizon_h: Annotated[float, Field(gt=0), Highest(8784), Unit("hours")]
    replan_minutes: Annotated[float, Field(gt=0), Highest(527_040), Unit("minutes")]
    days: Annotated[Int, Field(ge=1), Highest(366), Unit("days")]

    def __post_init__(self) -> None:
        where = "env.baselines.receding_horizon"
        rule = f"must be at most {where}.horizon_h = {self.horizon_h} hours"
        require(self.replan_minutes <= 60 * self.horizon_h, f"{where}.replan_minutes", rule, self.replan_minutes)

    def requests(self, problem: DispatchProblem) -> Array:
        """Return (T,) requests in MW. Rows before the first known price, and those of gaps, hold."""
        series, battery = problem.series, problem.battery
        step = series.interval_h
        grid = coarse_grid(problem.planning_battery, step)
        # A column without lead time is a measurement, which is known only afterwards.
        ahead = FORECAST in series.columns and FORECAST in series.lead_h
        price = np.array(series.price)  # copies: the compiled code is cached for writable arrays only
        published = np.array(series.columns[FORECAST]) if ahead else price
        lead = int(series.lead_h[FORECAST] / step + 1e-9) if ahead else NOT_PUBLISHED
        request = _dispatch(
            (problem.first, problem.end, problem.price_lag, problem.bids),
            price,
            np.where(series.gap, np.nan, price),
            published,
            lead,
            (max(round(self.horizon_h / step), 1), max(round(self.replan_minutes / 60 / step), 1)),
            (series.intervals_per_day, self.days),
            battery.energy_start_mwh,
            grid,
            problem.allowance,
            new_meters(1)[0],
        )
        return np.asarray(request / step)


@nb.njit(cache=True)
def _dispatch(
    span: tuple[int, int, int, bool],
    price: Array,
    seen: Array,
    published: Array,
    lead: int,
    look: tuple[int, int],
    calendar: tuple[int, int],
    energy: float,
    grid: EnergyGrid,
    allowance: Allowance,
    meter: Array,
) -> Array:
    """Return requests in MWh; ``published`` is read up to ``lead`` rows ahead, and not at all if ``lead`` is -1.

    ``seen`` is the price, and NaN in gaps, in which the battery is idle.
    """
    (first, end, lag, bids), (horizon, replan) = span, look
    request = np.zeros(end - first)
    value, work = np.zeros((horizon + 1, grid.size)), np.empty((4, grid.size))
    ahead, planned_at = np.empty(horizon + 1), first
    for t in range(first, end):
        if t - lag < 0 or np.isnan(seen[t]):
            _, energy = deliver_within(energy, 0.0, grid.limits, t - first, allowance, meter)
            planned_at = t + 1
            continue
        if (t - planned_at) % replan == 0:
            planned_at = t
            expect_prices(ahead, t, lag, seen, published, lead, calendar)
            _plan(value, work, ahead, min(horizon, end - 1 - t), grid)
        if bids:
            request[t - first] = cleared_mwh(value[t - planned_at], energy, price[t], grid)
        else:
            newest = _newest_known(seen, t - lag)
            now = price[newest]
            if lag > 0 and lead >= 0:
                now += published[t] - published[newest]  # the forecast, with its last known error
            request[t - first] = greedy_action(value[t - planned_at], energy, now, grid)
        _, energy = deliver_within(energy, request[t - first], grid.limits, t - first, allowance, meter)
    return request


@nb.njit(cache=True)
def _newest_known(price: Array, row: int) -> int:
    """Return the newest row up to ``row`` whose price is not NaN; the first one if there is none."""
    while row > 0 and np.isnan(price[row]):
        row -= 1
    return row


@nb.njit(cache=True)
def expect_prices(
    ahead: Array, t: int, lag: int, price: Array, published: Array, lead: int, calendar: tuple[int, int]
) -> None:
    """Write the expected price of row t + k to ``ahead[k]``, from known prices and published forecasts only.

    A price that is NaN is not known.
    """
    day, days = calendar
    last = t - lag
    newest = _newest_known(price, last)
    for k in range(len(ahead)):
        if k <= lead and t + k < len(published):
            ahead[k] = published[t + k]
            continue
        total, number = 0.0, 0
        row = t + k - day * ((t + k - last + day - 1) // day)  # the latest known row at this time of day
        for _ in range(days):
            if row < 0:
                break
            if not np.isnan(price[row]):
                total, number = total + price[row], number + 1
            row -= day
        ahead[k] = total / number if number > 0 else price[newest]


@nb.njit(cache=True)
def _plan(value: Array, work: Array, ahead: Array, rows: int, grid: EnergyGrid) -> None:
    """Write the value of stored energy after the k-th row from now to ``value[k]``, for a plan of ``rows`` rows."""
    value[rows] = 0.0
    for k in range(rows, 0, -1):
        bellman_backup(value[k], value[k - 1], work, ahead[k], grid)
