"""Daily cap: a nearly optimal schedule of a battery whose discharge per local day is capped, with all prices known.

The cap of each day is replaced by a price on discharged energy, its Lagrange multiplier. Backward induction runs from
midnight to midnight, and gives two values for each level of stored energy:

- The *upper bound* is the smallest, over some multipliers m, of the value of the day with m added to the wear, plus
  m x allowance. No schedule under the cap earns more.
- The *attainable value* is what schedules under the cap really earn: from some levels, the paths at two neighbouring
  multipliers, above and below the cap, are blended (``blended_schedules``). In between, the distance to the bound is
  interpolated.

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
from battery_lab.planning.bellman_backup import interpolate
from battery_lab.planning.capped_day import Day, attain_day, bound_day, plan_day
from battery_lab.planning.energy_grid import EnergyGrid, with_throughput_price

MULTIPLIERS = 24
SAMPLED_LEVELS = 17
LOOSE_SHARE = 0.002  # of the bound: a schedule that is further below it is compared with one that follows the bound


class Effort(NamedTuple):
    """How exactly a daily cap is solved.

    Attributes:
        multipliers: number of prices on throughput that backward induction tries per day, besides the one at which
            nothing is sold.
        halvings: number of halvings of the bracket of a day's multiplier.
        attains: whether schedules follow the attainable values; else they follow the upper bound.
    """

    multipliers: int
    halvings: int
    attains: bool


EXACT = Effort(multipliers=MULTIPLIERS, halvings=12, attains=True)
QUICK = Effort(multipliers=12, halvings=5, attains=False)


class DailyCapPlan(NamedTuple):
    """A schedule under a daily cap.

    Attributes:
        request_mwh: (T,) requests, + sold.
        bound: upper bound of the profit of any schedule under the cap, up to the rounding of the energy grid.
    """

    request_mwh: Array
    bound: float


class _MidnightValues(NamedTuple):
    """Values of stored energy at the start of each of D days, and after the last one, see the module.

    Attributes:
        upper_bound: (D + 1, size) no schedule earns more.
        attainable: (D + 1, size) what schedules under the cap earn.
        multiplier_number: (D, size) which multiplier of the day gives the upper bound.
    """

    upper_bound: Array
    attainable: Array
    multiplier_number: Ints


def day_bounds(day: Ints) -> Ints:
    """Return the first row of each day, and the row after the last one, of (T,) numbers of days that never fall."""
    changes = np.flatnonzero(np.diff(day)) + 1
    return np.concatenate([[0], changes, [len(day)]]).astype(np.int64)


def daily_cap_plan(
    price: Array, energy_mwh: float, grid: EnergyGrid, day: Ints, day_mwh: float, multiplier_count: int = MULTIPLIERS
) -> DailyCapPlan:
    """Return a nearly optimal schedule under a daily cap, and an upper bound of the profit.

    Args:
        price: (T,) currency per MWh.
        energy_mwh: stored energy at the start; energy left at the end is worth nothing.
        grid: the battery on its grid.
        day: (T,) number of the local day.
        day_mwh: allowance of a day at the grid connection, MWh.
        multiplier_count: number of prices on throughput that backward induction tries per day.
    """
    return DailyCap(price, grid, day, day_mwh, EXACT._replace(multipliers=multiplier_count)).plan(energy_mwh)


class DailyCap:
    """The values of stored energy under a daily cap, which schedules follow."""

    def __init__(self, price: Array, grid: EnergyGrid, day: Ints, day_mwh: float, effort: Effort = EXACT) -> None:
        """Compute the values of all midnights; see ``daily_cap_plan``."""
        self._price, self._grid, self._day_mwh, self._effort = price, grid, day_mwh, effort
        self._bounds, share = day_bounds(day), np.append(np.arange(effort.multipliers) / effort.multipliers, 1.0)
        # Denser near zero, where most days are.
        self._multipliers = _highest_multipliers(price, self._bounds, grid)[:, None] * share**2
        days, sampled = len(self._bounds) - 1, np.linspace(0, grid.size - 1, min(SAMPLED_LEVELS, grid.size))
        upper, attainable = np.zeros((2, days + 1, grid.size))
        self._midnights = _MidnightValues(upper, attainable, np.zeros((days, grid.size), np.int64))
        sampled = np.round(sampled) if effort.attains else sampled[:0]
        _value_midnights(price, self._bounds, grid, day_mwh, self._multipliers, sampled, self._midnights)

    def plan(self, energy_mwh: float, more_per_mwh: float = 0.0) -> DailyCapPlan:
        """Return a nearly optimal schedule, and an upper bound of the profit.

        Args:
            energy_mwh: stored energy at the start.
            more_per_mwh: a price on throughput besides the wear of the grid, which is in the schedule, but not in the
                values that it follows, nor in the bound: they are nearly those of a grid with it if it is small.
        """
        grid, midnights = self._grid, self._midnights
        bound = float(interpolate(midnights.upper_bound[0], (energy_mwh - grid.lowest_mwh) / grid.step_mwh))
        priced, followed = (
            with_throughput_price(grid, more_per_mwh),
            midnights._replace(attainable=midnights.upper_bound),
        )

        def follow(values: _MidnightValues) -> Array:
            days = (self._bounds, priced, self._day_mwh, self._multipliers)
            return np.asarray(_plan_days(self._price, energy_mwh, *days, values, self._effort.halvings))

        if not self._effort.attains:
            return DailyCapPlan(follow(followed), bound)
        request = follow(midnights)
        if _profit(self._price, request, grid) < (1 - LOOSE_SHARE) * bound:
            request = max(request, follow(followed), key=lambda requests: _profit(self._price, requests, priced))
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
def _value_midnights(
    price: Array,
    bounds: Ints,
    grid: EnergyGrid,
    day_mwh: float,
    multipliers: Array,
    sampled: Array,
    midnights: _MidnightValues,
) -> None:
    """Fill in the values of all midnights; without sampled levels, the upper bounds alone."""
    longest = np.max(np.diff(bounds))
    value_after, work = np.empty((longest, grid.size)), np.empty((4, grid.size))
    paths, requests = np.empty((2, len(sampled), longest + 1)), np.empty((2, longest))
    attained, shortfall = np.empty((2, len(sampled)))
    for d in range(len(bounds) - 2, -1, -1):
        part = price[bounds[d] : bounds[d + 1]]
        bounded = Day(part, midnights.upper_bound[d + 1], day_mwh, grid, value_after, work)
        bound_day(bounded, multipliers[d], midnights.upper_bound[d], midnights.multiplier_number[d])
        if len(sampled) == 0:
            continue
        day, rows = Day(part, midnights.attainable[d + 1], day_mwh, grid, value_after, work), len(part)
        attain_day(day, multipliers[d], sampled, attained, paths[:, :, : rows + 1], requests[:, :rows])
        for k in range(len(sampled)):
            shortfall[k] = midnights.upper_bound[d, int(sampled[k])] - attained[k]
        last = 0
        for i in range(grid.size):
            while last + 2 < len(sampled) and i > sampled[last + 1]:
                last += 1
            position = (i - sampled[last]) / (sampled[last + 1] - sampled[last])
            midnights.attainable[d, i] = (
                midnights.upper_bound[d, i] - shortfall[last] - position * (shortfall[last + 1] - shortfall[last])
            )


@nb.njit(cache=True)
def _plan_days(
    price: Array,
    energy: float,
    bounds: Ints,
    grid: EnergyGrid,
    day_mwh: float,
    multipliers: Array,
    midnights: _MidnightValues,
    halvings: int,
) -> Array:
    """Return the requests in MWh, day by day."""
    longest = np.max(np.diff(bounds))
    value_after, work = np.empty((longest, grid.size)), np.empty((4, grid.size))
    paths, request = np.empty((3, longest + 1)), np.empty(len(price))
    for d in range(len(bounds) - 1):
        rows = bounds[d + 1] - bounds[d]
        part, of_day = price[bounds[d] : bounds[d + 1]], request[bounds[d] : bounds[d + 1]]
        nearest = int(round((energy - grid.lowest_mwh) / grid.step_mwh))
        guess = midnights.multiplier_number[d, min(max(nearest, 0), grid.size - 1)]
        day = Day(part, midnights.attainable[d + 1], day_mwh, grid, value_after, work)
        plan_day(day, energy, multipliers[d], guess, halvings, of_day, paths[:, : rows + 1])
        left = day_mwh
        for n in range(rows):
            of_day[n], energy = deliver_mwh(energy, min(of_day[n], left), grid.limits)
            left -= max(of_day[n], 0.0)
    return request
