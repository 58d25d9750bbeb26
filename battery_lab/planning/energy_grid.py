"""Energy grid: evenly spaced levels of stored energy, and dynamic programming on them.

Full charge and discharge steps span whole levels. Perfect foresight, the receding horizon and the stochastic dynamic
programme share the grid. One Bellman backup lets the battery move to any level within reach. The best target within
reach is a sliding-window maximum, because charging and discharging each have one cost per level. The maximum is taken
by doubling the window: a few passes over the levels that compile to vector instructions. No shape of the value function
is assumed, so negative prices stay exact.
"""

from __future__ import annotations

from math import ceil
from typing import NamedTuple

import numba as nb
import numpy as np

from battery_lab.common.errors import require
from battery_lab.envs.battery.physics import Array, Battery, Limits

NO_VALUE = -1e300  # finite, so that the compiler may exclude infinities and NaNs
GAIN = 1e-7  # least gain of a move; smaller gains are rounding errors (values reach millions)
ON_LEVEL = 1e-6  # positions this close, in levels, count as equal
MAX_LEVELS = 20_000
FINEST = 1e-5  # least share of usable energy that one interval must be able to move
VECTORISED = {"nnan", "ninf", "nsz"}  # lets a maximum compile to one instruction


class EnergyGrid(NamedTuple):
    """A battery over one dispatch interval, on evenly spaced levels of stored energy that include its start.

    Attributes:
        lowest_mwh: stored energy of level 0, MWh.
        step_mwh: stored energy between two levels, MWh.
        size: number of levels.
        floor: lowest level that discharging may reach; only self-discharge reaches lower ones.
        charge: largest number of levels that charging rises by in an interval.
        discharge: largest number of levels that discharging falls by in an interval.
        bought_mwh: energy bought at the grid connection per level of rise, MWh.
        sold_mwh: energy sold at the grid connection per level of fall, MWh.
        grid_fee_per_mwh: network charge per MWh bought, in the market's currency.
        wear_per_mwh: wear cost per MWh sold, in the market's currency.
        limits: the battery's limits over the interval.
    """

    lowest_mwh: float
    step_mwh: float
    size: int
    floor: int
    charge: int
    discharge: int
    bought_mwh: float
    sold_mwh: float
    grid_fee_per_mwh: float
    wear_per_mwh: float
    limits: Limits


def fit_grid(battery: Battery, interval_h: float, *, at_least: int, tolerance: float) -> EnergyGrid:
    """Return the grid with the fewest levels that fits a battery's steps and limits.

    Args:
        battery: the battery.
        interval_h: length of a dispatch interval, hours.
        at_least: smallest number of levels, for moves at part power.
        tolerance: largest share of full power and of usable energy lost by rounding to whole levels. If no grid of up
            to 20,000 levels keeps it, the grid with the smallest loss is returned.

    Returns:
        The grid; the battery's start is one of its levels, up to rounding.

    Raises:
        ConfigError: the battery would need more than 100,000 intervals to fill.
    """
    limits, start = battery.limits(interval_h), battery.energy_start_mwh
    rise = limits.power_mwh * limits.charge_efficiency
    fall = limits.power_mwh / limits.discharge_efficiency
    # Self-discharge takes the store below the minimum of discharging, down to zero.
    lowest = 0.0 if limits.retention < 1 else limits.energy_min_mwh
    above, below = limits.energy_max_mwh - start, start - lowest
    rule = f"must move at least {FINEST * 100}% of the usable {above + below} MWh in an interval of {interval_h} h"
    require(rise >= FINEST * (above + below), "battery.power_mw", rule, battery.power_mw)
    step = _best_step(rise, fall, above, below, at_least, tolerance)
    down = int(below / step + ON_LEVEL)
    origin = start - down * step
    return EnergyGrid(
        lowest_mwh=origin,
        step_mwh=step,
        size=down + int(above / step + ON_LEVEL) + 1,
        floor=max(ceil((limits.energy_min_mwh - origin) / step - ON_LEVEL), 0),
        charge=int(rise / step + ON_LEVEL),
        discharge=int(fall / step + ON_LEVEL),
        bought_mwh=step / limits.charge_efficiency,
        sold_mwh=step * limits.discharge_efficiency,
        grid_fee_per_mwh=battery.grid_fee_per_mwh,
        wear_per_mwh=battery.wear_per_mwh,
        limits=limits,
    )


def coarse_grid(battery: Battery, interval_h: float) -> EnergyGrid:
    """Return a coarse grid for plans on uncertain prices, whose uncertainty far exceeds its rounding error."""
    return fit_grid(battery, interval_h, at_least=100, tolerance=5e-3)


def _best_step(rise: float, fall: float, above: float, below: float, at_least: int, tolerance: float) -> float:
    """Search, coarsest first, level sizes that divide a full step, a side of the start or the usable energy."""
    usable = above + below
    parts = np.arange(1, MAX_LEVELS + 1)
    step = np.concatenate([length / parts for length in (rise, fall, above, below, usable) if length > 0])
    finest = min(usable / MAX_LEVELS, rise)  # a full step spans at least one level
    step = -np.sort(-step[(step <= usable / at_least) & (step >= finest)])
    size = np.floor(above / step + ON_LEVEL) + np.floor(below / step + ON_LEVEL)
    lost = 1 - size * step / usable
    for full in (rise, fall):
        whole = np.floor(full / step + ON_LEVEL)
        # A full step that spans the whole store never binds, so its rounding loses nothing.
        lost = np.maximum(lost, np.where(whole >= size, 0.0, 1 - whole * step / full))
    good = np.flatnonzero(lost <= tolerance)
    return float(step[good[0] if len(good) else int(np.argmin(lost))])


@nb.njit(cache=True, fastmath=VECTORISED)
def bellman_backup(after: Array, value: Array, work: Array, price: float, grid: EnergyGrid) -> None:
    """Compute the value of stored energy at the start of an interval from that at its end (Bellman's equation).

    Args:
        after: (size,) value at the end of the interval.
        value: (size,) value at its start, written here; may be ``after`` itself.
        work: (4, size) scratch space.
        price: price of the interval per MWh.
        grid: the battery on its grid.
    """
    bought, sold = _costs(price, grid)
    up, down = work[0], work[2]
    for i in range(grid.size):
        up[i] = after[i] - i * bought
        down[i] = after[i] - i * sold
    for i in range(grid.floor):
        down[i] = NO_VALUE
    up = _highest_ahead(up, work[1], grid.charge + 1)
    down = _highest_behind(down, work[3], grid.discharge + 1)
    for i in range(grid.size):
        rising, falling = up[i] + i * bought, down[i] + i * sold
        best = rising if rising > falling else falling
        value[i] = after[i] if after[i] > best else best
    if grid.limits.retention < 1:
        _decay(value, up, grid)


@nb.njit(cache=True)
def _costs(price: float, grid: EnergyGrid) -> tuple[float, float]:
    """Return the cost of rising by one level and the gain of falling by one, in the market's currency."""
    return (price + grid.grid_fee_per_mwh) * grid.bought_mwh, (price - grid.wear_per_mwh) * grid.sold_mwh


@nb.njit(cache=True, fastmath=VECTORISED)
def _highest_ahead(x: Array, other: Array, window: int) -> Array:
    """Return the maximum of x[i : i + window], by doubling, in one of the two arrays."""
    n, span = len(x), 1
    while span < min(window, n):
        shift = min(span, window - span, n - span)
        _higher(x[: n - shift], x[shift:], other[: n - shift])
        other[n - shift :] = x[n - shift :]
        x, other = other, x
        span += shift
    return x


@nb.njit(cache=True, fastmath=VECTORISED)
def _highest_behind(x: Array, other: Array, window: int) -> Array:
    """Return the maximum of x[i - window + 1 : i + 1], by doubling, in one of the two arrays."""
    n, span = len(x), 1
    while span < min(window, n):
        shift = min(span, window - span, n - span)
        other[:shift] = x[:shift]
        _higher(x[: n - shift], x[shift:], other[shift:])
        x, other = other, x
        span += shift
    return x


@nb.njit(cache=True, fastmath=VECTORISED)
def _higher(first: Array, second: Array, out: Array) -> None:
    for i in range(len(out)):
        out[i] = first[i] if first[i] > second[i] else second[i]


@nb.njit(cache=True)
def _decay(value: Array, kept: Array, grid: EnergyGrid) -> None:
    """Turn the value after self-discharge into the value before it."""
    kept[:] = value
    for i in range(grid.size):
        energy = grid.lowest_mwh + i * grid.step_mwh
        value[i] = interpolate(kept, (energy * grid.limits.retention - grid.lowest_mwh) / grid.step_mwh)


@nb.njit(cache=True)
def interpolate(value: Array, position: float) -> float:
    """Interpolate a value linearly at a position in levels; extrapolates beyond the ends."""
    i = min(max(int(position), 0), len(value) - 2)
    worth: float = value[i] + (position - i) * (value[i + 1] - value[i])
    return worth


@nb.njit(cache=True)
def greedy_action(after: Array, energy_mwh: float, price: float, grid: EnergyGrid) -> float:
    """Return the move with the largest sum of profit and value.

    Args:
        after: (size,) value of stored energy at the end of the interval.
        energy_mwh: stored energy at its start.
        price: price of the interval per MWh.
        grid: the battery on its grid.

    Returns:
        The request at the grid connection in MWh, + sold, - bought; 0 if no move earns more than holding.
    """
    bought, sold = _costs(price, grid)
    at = (energy_mwh * grid.limits.retention - grid.lowest_mwh) / grid.step_mwh
    if abs(at - round(at)) < ON_LEVEL:
        at = float(round(at))
    best, request = interpolate(after, at) + GAIN, 0.0
    top = min(at + grid.charge, grid.size - 1.0)
    for k in range(int(np.ceil(top - np.floor(at)))):
        target = min(np.floor(at) + 1 + k, top)
        worth = interpolate(after, target) - (target - at) * bought
        if worth > best:
            best, request = worth, -(target - at) * grid.bought_mwh
    bottom = max(at - grid.discharge, float(grid.floor))
    for k in range(int(np.ceil(np.ceil(at) - bottom))):
        target = max(np.ceil(at) - 1 - k, bottom)
        worth = interpolate(after, target) + (at - target) * sold
        if worth > best:
            best, request = worth, (at - target) * grid.sold_mwh
    return request
