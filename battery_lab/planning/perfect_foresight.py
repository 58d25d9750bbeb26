"""Perfect foresight: the optimal schedule with all prices known."""

from __future__ import annotations

from dataclasses import dataclass
from math import isqrt

import numba as nb
import numpy as np
from numpy.typing import NDArray

from battery_lab.envs.battery.delivery import deliver_mwh
from battery_lab.envs.battery.physics import Array, Battery
from battery_lab.envs.battery.transition_accounts import Transition
from battery_lab.planning.bellman_backup import bellman_backup, decay, greedy_action
from battery_lab.planning.energy_grid import EnergyGrid, fit_grid


@dataclass(frozen=True, kw_only=True, eq=False)
class Plan:
    """The perfect-foresight schedule.

    Attributes:
        request_mw: (T,) power in each interval, + discharges; the battery delivers it in full.
        profit: revenue less wear and grid fee of the schedule, replayed through the battery.
    """

    request_mw: Array
    profit: float


def plan(price: Array, battery: Battery, interval_h: float, gap: NDArray[np.bool_] | None = None) -> Plan:
    """Return the optimal schedule of a battery with every price known.

    The battery starts at its ``soc_start``, and energy left at the end is worth nothing. The schedule is found by
    backward induction over stored energy (Bellman 1957), which stays exact at negative prices, where the linear
    programme would buy and sell at once. Without self-discharge it is exact on its energy grid; with it, values between
    levels are interpolated.

    Args:
        price: (T,) currency per MWh.
        battery: the battery, without caps on cycles; ``capped_optimum`` plans with caps.
        interval_h: length of an interval, hours.
        gap: (T,) whether the battery is idle in each row, and only loses energy, whatever the price; None: it never is.

    Raises:
        ValueError: the battery has caps on cycles.
    """
    price = np.array(price, np.float64)  # a copy: numba caches compiled code for writable arrays only
    idle, grid = idle_rows(price, gap), optimum_grid(battery, interval_h)
    block = isqrt(max(len(price) - 1, 0)) + 1
    request = _schedule(price, idle, battery.energy_start_mwh, grid, block) / interval_h
    power, energy = battery.run(request, interval_h)
    replayed = Transition(
        row=np.arange(len(price)),
        price=price,
        request_mw=request,
        power_mw=power,
        energy_mwh=energy[:-1],
        energy_after_mwh=energy[1:],
        interval_h=interval_h,
        battery=battery,
    )
    return Plan(request_mw=request, profit=float(replayed.profit.sum()))


def idle_rows(price: Array, gap: NDArray[np.bool_] | None) -> NDArray[np.bool_]:
    """Return whether the battery is idle in each of T rows: in the given gaps, or in none."""
    return np.zeros(len(price), np.bool_) if gap is None else np.array(gap, np.bool_)  # a copy, as in ``plan``


def optimum_grid(battery: Battery, interval_h: float) -> EnergyGrid:
    """Return the grid of the perfect-foresight schedule."""
    return fit_grid(battery, interval_h, at_least=400, tolerance=1e-3)


@nb.njit(cache=True)
def _schedule(price: Array, idle: NDArray[np.bool_], energy: float, grid: EnergyGrid, block: int) -> Array:
    """Return the best requests in MWh; values are stored at block ends and recomputed within a block."""
    rows, work = len(price), np.empty((4, grid.size))
    ends = np.zeros(((rows + block - 1) // block + 1, grid.size))
    value = np.zeros(grid.size)
    for t in range(rows - 1, -1, -1):
        one_row_earlier(value, work, price[t], idle[t], grid)
        if t % block == 0:
            ends[t // block] = value
    request, inside = np.empty(rows), np.empty((block, grid.size))
    for first in range(0, rows, block):
        length = min(block, rows - first)
        inside[length - 1] = ends[first // block + 1]
        for k in range(length - 1, 0, -1):
            inside[k - 1] = inside[k]
            one_row_earlier(inside[k - 1], work, price[first + k], idle[first + k], grid)
        for k in range(length):
            t = first + k
            request[t] = 0.0 if idle[t] else greedy_action(inside[k], energy, price[t], grid)
            _, energy = deliver_mwh(energy, request[t], grid.limits)
    return request


@nb.njit(cache=True)
def one_row_earlier(value: Array, work: Array, price: float, idle: bool, grid: EnergyGrid) -> None:
    """Turn the value at the end of a row into the value at its start."""
    if not idle:
        bellman_backup(value, value, work, price, grid)
    elif grid.limits.retention < 1:
        decay(value, work[0], grid)
