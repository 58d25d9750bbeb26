"""Daily cap: the optimal schedule of a battery whose discharge per local day is capped, with all prices known.

The cap of each day is replaced by a price on discharged energy, its Lagrange multiplier. Backward induction runs from
day to day. From each level of stored energy at a midnight, the value of the rest is the smallest, over some multipliers
m, of the value of the day with m added to the wear, plus m x allowance. This is an upper bound of the value under the
cap, and the smallest one is nearly equal to it: the problem is a linear programme at prices above zero.

The forward pass then searches the multiplier of each day from the stored energy that it really starts with, and blends
the two schedules on both sides of it, so that the day uses its allowance exactly (``blended_schedules``).
"""

from __future__ import annotations

from typing import NamedTuple

import numba as nb
import numpy as np
from numpy.typing import NDArray

from battery_lab.envs.battery.cycle_caps import Ints
from battery_lab.envs.battery.delivery import deliver_mwh
from battery_lab.envs.battery.physics import Array
from battery_lab.planning.bellman_backup import bellman_backup, greedy_action, interpolate
from battery_lab.planning.blended_schedules import blend_to_cap
from battery_lab.planning.energy_grid import EnergyGrid

MULTIPLIERS = 24
HALVINGS = 12


class DailyCapPlan(NamedTuple):
    """A schedule under a daily cap.

    Attributes:
        request_mwh: (T,) requests, + sold.
        bound: upper bound of the profit of any schedule under the cap, up to the rounding of the energy grid.
    """

    request_mwh: Array
    bound: float


def day_bounds(day: Ints) -> Ints:
    """Return the first row of each day, and the row after the last one, of (T,) numbers of days that never fall."""
    changes = np.flatnonzero(np.diff(day)) + 1
    return np.concatenate([[0], changes, [len(day)]]).astype(np.int64)


def daily_cap_plan(
    price: Array, energy_mwh: float, grid: EnergyGrid, day: Ints, day_mwh: float, multipliers: int = MULTIPLIERS
) -> DailyCapPlan:
    """Return the best schedule under a daily cap, and an upper bound of its profit.

    Args:
        price: (T,) currency per MWh.
        energy_mwh: stored energy at the start; energy left at the end is worth nothing.
        grid: the battery on its grid.
        day: (T,) number of the local day.
        day_mwh: allowance of a day at the grid connection, MWh.
        multipliers: number of prices on throughput that backward induction tries per day.
    """
    bounds, share = day_bounds(day), np.arange(multipliers) / multipliers
    highest = np.maximum(np.maximum.reduceat(price, bounds[:-1]) - grid.wear_per_mwh, 0.0)
    tried = highest[:, None] * share**2  # denser near zero, where most days are
    starts, best = np.zeros((len(bounds), grid.size)), np.zeros((len(bounds) - 1, grid.size), np.int64)
    _value_days(price, bounds, grid, day_mwh, tried, starts, best)
    request = _follow_days(price, energy_mwh, bounds, grid, day_mwh, (tried, starts, best))
    return DailyCapPlan(request, float(interpolate(starts[0], (energy_mwh - grid.lowest_mwh) / grid.step_mwh)))


@nb.njit(cache=True)
def _dearer(grid: EnergyGrid, multiplier: float) -> EnergyGrid:
    """Return the grid with a multiplier added to the wear per MWh sold."""
    return EnergyGrid(
        grid.lowest_mwh,
        grid.step_mwh,
        grid.size,
        grid.floor,
        grid.charge,
        grid.discharge,
        grid.bought_mwh,
        grid.sold_mwh,
        grid.grid_fee_per_mwh,
        grid.wear_per_mwh + multiplier,
        grid.wear_per_mwh_charged,
        grid.limits,
    )


@nb.njit(cache=True)
def _value_days(
    price: Array, bounds: Ints, grid: EnergyGrid, day_mwh: float, tried: Array, starts: Array, best: NDArray[np.int64]
) -> None:
    """Fill in the value at each midnight, and which multiplier gives it, for every level."""
    value, work = np.empty(grid.size), np.empty((4, grid.size))
    for d in range(len(bounds) - 2, -1, -1):
        for m in range(tried.shape[1]):
            value[:] = starts[d + 1]
            dearer = _dearer(grid, tried[d, m])
            for t in range(bounds[d + 1] - 1, bounds[d] - 1, -1):
                bellman_backup(value, value, work, price[t], dearer)
            value += tried[d, m] * day_mwh
            lowered = False
            for i in range(grid.size):
                if m == 0 or value[i] < starts[d, i]:
                    starts[d, i], best[d, i], lowered = value[i], m, True
            if not lowered:  # the bound is a convex function of the multiplier
                break


@nb.njit(cache=True)
def _follow_days(
    price: Array, energy: float, bounds: Ints, grid: EnergyGrid, day_mwh: float, values: tuple[Array, Array, Ints]
) -> Array:
    """Return the requests in MWh, day by day."""
    tried, starts, best = values
    longest = np.max(np.diff(bounds))
    inside, work = np.empty((longest, grid.size)), np.empty((4, grid.size))
    paths, request = np.empty((3, longest + 1)), np.empty(len(price))
    for d in range(len(bounds) - 1):
        rows = bounds[d + 1] - bounds[d]
        part, of_day = price[bounds[d] : bounds[d + 1]], request[bounds[d] : bounds[d + 1]]
        nearest = int(round((energy - grid.lowest_mwh) / grid.step_mwh))
        guess = best[d, min(max(nearest, 0), grid.size - 1)]
        after = starts[d + 1]
        _plan_day(part, energy, after, grid, day_mwh, (tried[d], guess), of_day, (inside, work, paths[:, : rows + 1]))
        for t in range(bounds[d], bounds[d + 1]):
            _, energy = deliver_mwh(energy, request[t], grid.limits)
    return request


@nb.njit(cache=True)
def _plan_day(
    price: Array,
    energy: float,
    after: Array,
    grid: EnergyGrid,
    day_mwh: float,
    search: tuple[Array, int],
    request: Array,
    space: tuple[Array, Array, Array],
) -> None:
    """Write the requests of one day: bracket its multiplier, halve the bracket, and blend both sides."""
    (tried, guess), (inside, work, paths) = search, space
    over, under, path = paths[0], paths[1], paths[2]
    low = max(guess - 1, 0)
    sold = _follow(price, energy, after, _dearer(grid, tried[low]), inside, work, over)
    while (
        sold > day_mwh
        and low + 1 < len(tried)
        and _sells_more(price, energy, after, _dearer(grid, tried[low + 1]), inside, work, path, day_mwh)
    ):
        over, path, low = path, over, low + 1
    while sold <= day_mwh and low > 0:
        low -= 1
        sold = _follow(price, energy, after, _dearer(grid, tried[low]), inside, work, over)
    at_low = tried[low]
    if sold <= day_mwh:
        blend_to_cap(request, over, over, day_mwh, grid.limits)
        return
    at_high = tried[low + 1] if low + 1 < len(tried) else max(2.0 * at_low, 1.0)
    while _sells_more(price, energy, after, _dearer(grid, at_high), inside, work, under, day_mwh):
        at_low, at_high = at_high, 2.0 * at_high + 1.0
        over, under = under, over
    for _ in range(HALVINGS):
        middle = 0.5 * (at_low + at_high)
        if _sells_more(price, energy, after, _dearer(grid, middle), inside, work, path, day_mwh):
            over, path, at_low = path, over, middle
        else:
            under, path, at_high = path, under, middle
    blend_to_cap(request, over, under, day_mwh, grid.limits)


@nb.njit(cache=True)
def _sells_more(
    price: Array, energy: float, after: Array, grid: EnergyGrid, inside: Array, work: Array, path: Array, cap: float
) -> bool:
    return _follow(price, energy, after, grid, inside, work, path) > cap


@nb.njit(cache=True)
def _follow(
    price: Array, energy: float, after: Array, grid: EnergyGrid, inside: Array, work: Array, path: Array
) -> float:
    """Write the best path of stored energy through one day; return the energy sold, MWh."""
    rows, sold = len(price), 0.0
    inside[rows - 1] = after
    for n in range(rows - 1, 0, -1):
        bellman_backup(inside[n], inside[n - 1], work, price[n], grid)
    path[0] = energy
    for n in range(rows):
        request = greedy_action(inside[n], path[n], price[n], grid)
        delivered, path[n + 1] = deliver_mwh(path[n], request, grid.limits)
        sold += max(delivered, 0.0)
    return sold
