"""Daily cap: a nearly optimal schedule of a battery whose discharge per local day is capped, with all prices known.

The cap of each day is replaced by a price on discharged energy, its Lagrange multiplier. Backward induction runs from
midnight to midnight, and gives two values for each level of stored energy:

- The *bound* is the smallest, over some multipliers m, of the value of the day with m added to the wear, plus
  m x allowance. No schedule under the cap earns more.
- The *worth* is what schedules under the cap really earn: from some levels, the paths at two neighbouring multipliers,
  above and below the cap, are blended (``blended_schedules``). In between, the distance to the bound is interpolated.

Both are nearly equal at prices above zero, where the problem is a linear programme. The forward pass searches the
multiplier of each day from the stored energy that it starts with, and blends the schedules on both sides of it, so that
the day uses its allowance.
"""

from __future__ import annotations

from typing import NamedTuple

import numba as nb
import numpy as np

from battery_lab.envs.battery.cycle_caps import Ints
from battery_lab.envs.battery.delivery import deliver_mwh
from battery_lab.envs.battery.physics import Array
from battery_lab.planning.bellman_backup import bellman_backup, interpolate
from battery_lab.planning.blended_schedules import blend_to_cap
from battery_lab.planning.capped_day import Day, best_of_both, follow, priced_grid, value_inside
from battery_lab.planning.energy_grid import EnergyGrid

MULTIPLIERS = 24
KNOTS = 17
HALVINGS = 12
LOOSE = 0.002  # of the bound: a schedule that is further below it is compared with one that follows the bound


class DailyCapPlan(NamedTuple):
    """A schedule under a daily cap.

    Attributes:
        request_mwh: (T,) requests, + sold.
        bound: upper bound of the profit of any schedule under the cap, up to the rounding of the energy grid.
    """

    request_mwh: Array
    bound: float


class _Midnights(NamedTuple):
    """Values of each level of stored energy at the start of each day, and the multiplier of the bound."""

    bound: Array
    worth: Array
    best: Ints


def day_bounds(day: Ints) -> Ints:
    """Return the first row of each day, and the row after the last one, of (T,) numbers of days that never fall."""
    changes = np.flatnonzero(np.diff(day)) + 1
    return np.concatenate([[0], changes, [len(day)]]).astype(np.int64)


def daily_cap_plan(
    price: Array, energy_mwh: float, grid: EnergyGrid, day: Ints, day_mwh: float, multipliers: int = MULTIPLIERS
) -> DailyCapPlan:
    """Return a nearly optimal schedule under a daily cap, and an upper bound of the profit.

    Args:
        price: (T,) currency per MWh.
        energy_mwh: stored energy at the start; energy left at the end is worth nothing.
        grid: the battery on its grid.
        day: (T,) number of the local day.
        day_mwh: allowance of a day at the grid connection, MWh.
        multipliers: number of prices on throughput that backward induction tries per day.
    """
    bounds, share = day_bounds(day), np.arange(multipliers) / multipliers
    tried = _highest_multipliers(price, bounds, grid)[:, None] * share**2  # denser near zero, where most days are
    days, knots = len(bounds) - 1, np.linspace(0, grid.size - 1, min(KNOTS, grid.size))
    values = np.zeros((2, days + 1, grid.size))
    midnights = _Midnights(values[0], values[1], np.zeros((days, grid.size), np.int64))
    _value_days(price, bounds, grid, day_mwh, tried, np.round(knots), midnights)
    request = _follow_days(price, energy_mwh, bounds, grid, day_mwh, tried, midnights)
    bound = float(interpolate(midnights.bound[0], (energy_mwh - grid.lowest_mwh) / grid.step_mwh))
    if _profit(price, request, grid) < (1 - LOOSE) * bound:
        other = _follow_days(price, energy_mwh, bounds, grid, day_mwh, tried, midnights._replace(worth=midnights.bound))
        request = max(request, other, key=lambda requests: _profit(price, requests, grid))
    return DailyCapPlan(request, bound)


def _highest_multipliers(price: Array, bounds: Ints, grid: EnergyGrid) -> Array:
    """Return the (D,) price on throughput at which a day sells nothing: the most that a MWh sold earns.

    That is the day's highest price, and below zero also what it earns to buy again what was sold, that day or the next.
    """
    lowest = np.minimum.reduceat(price, bounds[:-1])
    lowest[:-1] = np.minimum(lowest[:-1], lowest[1:])
    refill = -(lowest + grid.grid_fee_per_mwh + grid.wear_per_mwh_charged) * grid.bought_mwh / grid.sold_mwh
    earned = np.maximum.reduceat(price, bounds[:-1]) - grid.wear_per_mwh + np.maximum(refill, 0.0)
    return np.asarray(np.maximum(earned, 0.0))


def _profit(price: Array, request_mwh: Array, grid: EnergyGrid) -> float:
    """Return the profit of requests that are delivered in full."""
    sold, bought = np.maximum(request_mwh, 0.0), np.maximum(-request_mwh, 0.0)
    costs = grid.wear_per_mwh * sold + (grid.grid_fee_per_mwh + grid.wear_per_mwh_charged) * bought
    return float((price * request_mwh - costs).sum())


@nb.njit(cache=True)
def _value_days(
    price: Array, bounds: Ints, grid: EnergyGrid, day_mwh: float, tried: Array, knots: Array, midnights: _Midnights
) -> None:
    """Fill in the values of all midnights."""
    longest = np.max(np.diff(bounds))
    inside, work = np.empty((longest, grid.size)), np.empty((4, grid.size))
    paths, requests = np.empty((2, len(knots), longest + 1)), np.empty((2, longest))
    short = np.empty(len(knots))
    for d in range(len(bounds) - 2, -1, -1):
        part = price[bounds[d] : bounds[d + 1]]
        _bound_day(part, midnights.bound[d + 1], grid, day_mwh, tried[d], midnights.bound[d], midnights.best[d], work)
        day, rows = Day(part, midnights.worth[d + 1], day_mwh, grid, inside, work), len(part)
        _earn_day(day, tried[d], knots, short, paths[:, :, : rows + 1], requests[:, :rows])
        for k in range(len(knots)):
            short[k] = midnights.bound[d, int(knots[k])] - short[k]
        last = 0
        for i in range(grid.size):
            while last + 2 < len(knots) and i > knots[last + 1]:
                last += 1
            position = (i - knots[last]) / (knots[last + 1] - knots[last])
            midnights.worth[d, i] = midnights.bound[d, i] - short[last] - position * (short[last + 1] - short[last])


@nb.njit(cache=True)
def _bound_day(
    price: Array, after: Array, grid: EnergyGrid, day_mwh: float, tried: Array, bound: Array, best: Ints, work: Array
) -> None:
    """Write the upper bound at the start of a day, and the multiplier that gives it, for every level."""
    value = np.empty(grid.size)
    for m in range(len(tried)):
        value[:] = after
        priced = priced_grid(grid, tried[m])
        for t in range(len(price) - 1, -1, -1):
            bellman_backup(value, value, work, price[t], priced)
        value += tried[m] * day_mwh
        lowered = False
        for i in range(grid.size):
            if m == 0 or value[i] < bound[i]:
                bound[i], best[i], lowered = value[i], m, True
        if not lowered:  # the bound is a convex function of the multiplier
            break


@nb.njit(cache=True)
def _earn_day(day: Day, tried: Array, knots: Array, worth: Array, paths: Array, requests: Array) -> None:
    """Write what schedules under the cap earn from some levels at the start of a day, to the end of all days."""
    worth[:] = -np.inf
    is_over = np.zeros(len(knots), np.bool_)
    for m in range(len(tried)):
        value_inside(day, tried[m])
        unsolved = False
        for k in range(len(knots)):
            if m > 0 and not is_over[k]:
                continue
            start, path, before = day.grid.lowest_mwh + knots[k] * day.grid.step_mwh, paths[0, k], paths[1, k]
            is_over[k] = follow(day, tried[m], start, path) > day.cap_mwh
            if m == 0 or is_over[k]:
                before[:] = path
            worth[k] = max(worth[k], best_of_both(day, before, path, requests[0], requests[1]))
            unsolved = unsolved or is_over[k]
        if not unsolved:
            break


@nb.njit(cache=True)
def _follow_days(
    price: Array, energy: float, bounds: Ints, grid: EnergyGrid, day_mwh: float, tried: Array, midnights: _Midnights
) -> Array:
    """Return the requests in MWh, day by day."""
    longest = np.max(np.diff(bounds))
    inside, work = np.empty((longest, grid.size)), np.empty((4, grid.size))
    paths, request = np.empty((3, longest + 1)), np.empty(len(price))
    for d in range(len(bounds) - 1):
        rows = bounds[d + 1] - bounds[d]
        part, of_day = price[bounds[d] : bounds[d + 1]], request[bounds[d] : bounds[d + 1]]
        nearest = int(round((energy - grid.lowest_mwh) / grid.step_mwh))
        guess = midnights.best[d, min(max(nearest, 0), grid.size - 1)]
        day = Day(part, midnights.worth[d + 1], day_mwh, grid, inside, work)
        _plan_day(day, energy, tried[d], guess, of_day, paths[:, : rows + 1])
        left = day_mwh
        for n in range(rows):
            of_day[n], energy = deliver_mwh(energy, min(of_day[n], left), grid.limits)
            left -= max(of_day[n], 0.0)
    return request


@nb.njit(cache=True)
def _plan_day(day: Day, energy: float, tried: Array, guess: int, request: Array, paths: Array) -> None:
    """Write the requests of one day: bracket its multiplier, halve the bracket, and choose among both sides."""
    over, under, path = paths[0], paths[1], paths[2]
    low = max(guess - 1, 0)
    while not _sells_more(day, tried[low], energy, over) and low > 0:
        low -= 1
    if low == 0 and not _sells_more(day, tried[0], energy, over):
        blend_to_cap(request, over, over, day.cap_mwh, day.grid.limits)
        return
    at_low, at_high = tried[low], tried[low + 1] if low + 1 < len(tried) else max(2.0 * tried[low], 1.0)
    while _sells_more(day, at_high, energy, under):
        over, under = under, over
        low += 1
        at_low, at_high = at_high, tried[low + 1] if low + 1 < len(tried) else 2.0 * at_high + 1.0
    for _ in range(HALVINGS):
        middle = 0.5 * (at_low + at_high)
        if _sells_more(day, middle, energy, path):
            over, path, at_low = path, over, middle
        else:
            under, path, at_high = path, under, middle
    best_of_both(day, over, under, request, path[: len(request)])  # the third path is free


@nb.njit(cache=True)
def _sells_more(day: Day, multiplier: float, energy: float, path: Array) -> bool:
    value_inside(day, multiplier)
    return follow(day, multiplier, energy, path) > day.cap_mwh
