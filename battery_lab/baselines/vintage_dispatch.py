"""Vintage dispatch: a receding horizon on the newest vintages of forecasts, and on prices that are known ahead."""

from __future__ import annotations

import numba as nb
import numpy as np

from battery_lab.envs.battery.cycle_caps import Allowance
from battery_lab.envs.battery.delivery import deliver_within
from battery_lab.envs.battery.physics import Array
from battery_lab.market.forecasts.newest_runs import forecast
from battery_lab.planning.bellman_backup import greedy_action
from battery_lab.planning.energy_grid import EnergyGrid
from battery_lab.planning.expected_prices import newest_known
from battery_lab.planning.marginal_bids import cleared_mwh
from battery_lab.planning.receding_plan import Plan
from battery_lab.planning.vintage_plan import Known, Rhythm, is_published, plan_from

ANY, NEWEST = -1, 0


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
        if (t - planned_at) % rhythm.replan == 0 or is_published(known.runs, t):
            planned_at = t
            base = plan_from(t, base, end, known, rhythm, grid, plan, ahead, rest)
        after = plan.value[t - base]
        if bids:
            request[t - first] = cleared_mwh(after, energy, price[t], grid)
        else:
            request[t - first] = greedy_action(after, energy, _price_now(t, known), grid)
        _, energy = deliver_within(energy, request[t - first], grid.limits, t - first, allowance, meter)
    return request


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
        if not known.corrects:
            return now
        # What was forecast for the newest known price at its own time shows the error of the forecast.
        before: float = forecast(known.runs, ANY, newest, 0, known.step_s, NEWEST)
        return now if np.isnan(before) else price + now - before
    if known.column_end[t] > t:
        price += known.column[t] - known.column[newest]
    return price
