"""Receding horizon: plan the hours ahead on a forecast, do the first move, plan again, as a trading desk does."""

from __future__ import annotations

from dataclasses import dataclass

import numba as nb
import numpy as np

from battery_lab.common.errors import require
from battery_lab.envs.battery.physics import Array, deliver_mwh
from battery_lab.envs.battery.problem import DispatchProblem
from battery_lab.planning.energy_grid import EnergyGrid, bellman_backup, coarse_grid, greedy_action

FORECAST = "price_forecast"
NOT_PUBLISHED = -1


@dataclass(frozen=True, kw_only=True)
class RecedingHorizon:
    """Plan ahead on the series' price forecast, or else on the last days' mean price at the same time of day.

    The forecast is the column ``price_forecast``, as far ahead as its ``lead_h`` says it is published. The price in
    front is the last one known, moved as the published forecast moves where that price is of the interval before.

    Attributes:
        horizon_h: how far ahead each plan looks, hours.
        replan_minutes: how often a new plan is made; between plans, known prices are set against the last one.
        days: how many days the mean price of a time of day is taken over.
    """

    horizon_h: float
    replan_minutes: float
    days: int

    def __post_init__(self) -> None:
        where = "env.baselines.receding_horizon"
        require(0 < self.horizon_h < np.inf, f"{where}.horizon_h", "must be greater than 0 hours", self.horizon_h)
        rule = f"must be greater than 0 minutes and at most {where}.horizon_h = {self.horizon_h} hours"
        require(0 < self.replan_minutes <= 60 * self.horizon_h, f"{where}.replan_minutes", rule, self.replan_minutes)
        require(self.days >= 1, f"{where}.days", "must be at least 1 day", self.days)

    def requests(self, problem: DispatchProblem) -> Array:
        """Return (T,) requests in MW; rows before any price is known hold."""
        series, battery = problem.series, problem.battery
        step = series.interval_h
        grid = coarse_grid(battery, step)
        ahead = FORECAST in series.columns and FORECAST in series.lead_h  # else it is a measurement, known too late
        price = np.array(series.price)  # copies: compiled code is kept for writable arrays only
        published = np.array(series.columns[FORECAST]) if ahead else price
        lead = int(series.lead_h[FORECAST] / step + 1e-9) if ahead else NOT_PUBLISHED
        request = _dispatch(
            (problem.first, problem.end, problem.price_lag),
            price,
            published,
            lead,
            (max(round(self.horizon_h / step), 1), max(round(self.replan_minutes / 60 / step), 1)),
            (series.intervals_per_day, self.days),
            battery.energy_start_mwh,
            grid,
        )
        return np.asarray(request / step)


@nb.njit(cache=True)
def _dispatch(
    span: tuple[int, int, int],
    price: Array,
    published: Array,
    lead: int,
    look: tuple[int, int],
    calendar: tuple[int, int],
    energy: float,
    grid: EnergyGrid,
) -> Array:
    """Requests in MWh; ``published`` is read up to ``lead`` rows ahead of the present, not at all if that is -1."""
    (first, end, lag), (horizon, replan) = span, look
    request = np.zeros(end - first)
    value, work = np.zeros((horizon + 1, grid.size)), np.empty((4, grid.size))
    ahead, planned_at = np.empty(horizon + 1), first
    for t in range(first, end):
        if t - lag < 0:
            _, energy = deliver_mwh(energy, 0.0, grid.limits)
            planned_at = t + 1
            continue
        if (t - planned_at) % replan == 0:
            planned_at = t
            _forecast(ahead, t, lag, price, published, lead, calendar)
            _plan(value, work, ahead, min(horizon, end - 1 - t), grid)
        now = price[t - lag]
        if lag > 0 and lead >= 0:
            now += published[t] - published[t - lag]  # the forecast, as wrong as it was when last seen
        request[t - first] = greedy_action(value[t - planned_at], energy, now, grid)
        _, energy = deliver_mwh(energy, request[t - first], grid.limits)
    return request


@nb.njit(cache=True)
def _forecast(
    ahead: Array, t: int, lag: int, price: Array, published: Array, lead: int, calendar: tuple[int, int]
) -> None:
    """Write the expected price of row t + k to ahead[k]."""
    day, days = calendar
    last = t - lag
    for k in range(len(ahead)):
        if k <= lead and t + k < len(published):
            ahead[k] = published[t + k]
            continue
        total, number = 0.0, 0
        row = t + k - day * ((t + k - last + day - 1) // day)  # the latest known row at this time of day
        for _ in range(days):
            if row < 0:
                break
            total, number, row = total + price[row], number + 1, row - day
        ahead[k] = total / number if number > 0 else price[last]


@nb.njit(cache=True)
def _plan(value: Array, work: Array, ahead: Array, rows: int, grid: EnergyGrid) -> None:
    """Write to value[k] what stored energy is worth after the k-th row from now, planning ``rows`` rows more."""
    value[rows] = 0.0
    for k in range(rows, 0, -1):
        bellman_backup(value[k], value[k - 1], work, ahead[k], grid)
