"""Bellman backup: the value of stored energy one dispatch interval earlier, and the move with the largest value.

The backup lets the battery move to any level of an energy grid within reach. The best target within reach is a
sliding-window maximum, because charging and discharging each have one cost per level. The maximum is taken by doubling
the window: a few passes over the levels that compile to vector instructions. No shape of the value function is assumed,
so negative prices stay exact.
"""

from __future__ import annotations

import numba as nb
import numpy as np

from battery_lab.envs.battery.physics import Array
from battery_lab.planning.energy_grid import ON_LEVEL, EnergyGrid

NO_VALUE = -1e300  # finite, so that the compiler may exclude infinities and NaNs
GAIN = 1e-7  # least gain of a move; smaller gains are rounding errors (values reach millions)
VECTORISED = {"nnan", "ninf", "nsz"}  # lets a maximum compile to one instruction


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
    bought, sold = move_costs(price, grid)
    up, down = work[0], work[2]
    for i in range(grid.size):
        up[i] = after[i] - i * bought
        down[i] = after[i] - i * sold
    for i in range(grid.floor):
        down[i] = NO_VALUE
    up = highest_ahead(up, work[1], grid.charge + 1)
    down = _highest_behind(down, work[3], grid.discharge + 1)
    for i in range(grid.size):
        rising, falling = up[i] + i * bought, down[i] + i * sold
        best = rising if rising > falling else falling
        value[i] = after[i] if after[i] > best else best
    if grid.limits.retention < 1:
        decay(value, up, grid)


@nb.njit(cache=True)
def move_costs(price: float, grid: EnergyGrid) -> tuple[float, float]:
    """Return the cost of rising by one level and the gain of falling by one, in the market's currency."""
    cost = price + grid.grid_fee_per_mwh + grid.wear_per_mwh_charged
    return cost * grid.bought_mwh, (price - grid.wear_per_mwh) * grid.sold_mwh


@nb.njit(cache=True, fastmath=VECTORISED)
def highest_ahead(x: Array, other: Array, window: int) -> Array:
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
def decay(value: Array, kept: Array, grid: EnergyGrid) -> None:
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
    bought, sold = move_costs(price, grid)
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
