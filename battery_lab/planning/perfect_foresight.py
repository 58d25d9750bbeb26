"""Perfect foresight: the optimal schedule with all prices known, and the value of stored energy."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import isqrt

import numba as nb
import numpy as np
from numpy.typing import NDArray

from battery_lab.envs.battery.delivery import deliver_mwh
from battery_lab.envs.battery.physics import Array, Battery
from battery_lab.envs.battery.transition_accounts import Transition
from battery_lab.planning.bellman_backup import bellman_backup, decay, greedy_action, interpolate
from battery_lab.planning.energy_grid import EnergyGrid, fit_grid

TABLE_BYTES = 200_000_000
BLOCK = 256  # rows of the table that are written at a time
# Returns an array of a shape, computed by a function or earlier.
Keep = Callable[[tuple[int, ...], Callable[[], Array]], Array]


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
    idle, grid = _idle(price, gap), optimum_grid(battery, interval_h)
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


def _idle(price: Array, gap: NDArray[np.bool_] | None) -> NDArray[np.bool_]:
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
        _one_row_earlier(value, work, price[t], idle[t], grid)
        if t % block == 0:
            ends[t // block] = value
    request, inside = np.empty(rows), np.empty((block, grid.size))
    for first in range(0, rows, block):
        length = min(block, rows - first)
        inside[length - 1] = ends[first // block + 1]
        for k in range(length - 1, 0, -1):
            inside[k - 1] = inside[k]
            _one_row_earlier(inside[k - 1], work, price[first + k], idle[first + k], grid)
        for k in range(length):
            t = first + k
            request[t] = 0.0 if idle[t] else greedy_action(inside[k], energy, price[t], grid)
            _, energy = deliver_mwh(energy, request[t], grid.limits)
    return request


@dataclass(frozen=True, kw_only=True, eq=False)
class HindsightValue:
    """The perfect-foresight value of stored energy at the start of each row.

    Each row holds its value at the lowest energy (float64) and differences from it (float32). Values over years reach
    millions, which float32 rounds to half a unit: too coarse for V[t + 1] - V[t]. Rows are tabulated when they are
    first used, in blocks of ``BLOCK``, as a short training uses few.

    Attributes:
        base: (T + 1,) value at ``lowest_mwh``.
        above: (T + 1, M) float32, value at M evenly spaced energies less ``base``.
        lowest_mwh: first of these energies.
        step_mwh: distance between two of them.
        tabulate: writes the rows of a block into ``base`` and ``above``.
        known: whether each block is written.
    """

    base: Array
    above: NDArray[np.float32]
    lowest_mwh: float
    step_mwh: float
    tabulate: Callable[[int, Array, NDArray[np.float32]], None]
    known: NDArray[np.bool_]

    @property
    def nbytes(self) -> int:
        """Size of the table in bytes."""
        return self.base.nbytes + self.above.nbytes

    def at(self, row: NDArray[np.int64], energy_mwh: Array) -> Array:
        """Return the (N,) best profit from the start of each row to the end, for (N,) stored energy in MWh.

        The value of row T, after the last one, is zero. Values between the table's energies are interpolated.

        Raises:
            IndexError: a row is not in the table.
        """
        row, energy = np.asarray(row, np.int64), np.asarray(energy_mwh, np.float64)
        while (block := _unknown_block(self.known, row)) >= 0:
            self.tabulate(block, self.base, self.above)
            self.known[block] = True
        return np.asarray(_look_up(self.base, self.above, self.lowest_mwh, self.step_mwh, row, energy))


def hindsight(
    price: Array,
    battery: Battery,
    interval_h: float,
    keep: Keep | None = None,
    gap: NDArray[np.bool_] | None = None,
) -> HindsightValue:
    """Tabulate the value of stored energy under perfect foresight, in at most 200 MB.

    Args:
        price: (T,) currency per MWh.
        battery: the battery.
        interval_h: length of an interval, hours.
        keep: returns an array of a shape from a cache, or calls the function that computes it; None: no cache.
        gap: (T,) whether the battery is idle in each row, and only loses energy, whatever the price; None: it never is.
    """
    price = np.array(price, np.float64)
    idle = _idle(price, gap)
    grid = optimum_grid(battery, interval_h)
    rows, last = len(price) + 1, grid.size - 1
    position = np.linspace(0, last, max(min((TABLE_BYTES // rows - 8) // 4, grid.size), 2))
    base, above = np.empty(rows), np.empty((rows, len(position)), np.float32)
    shape = (len(price) // BLOCK + 1, grid.size)
    after = keep(shape, lambda: _block_ends(price, idle, grid)) if keep else _block_ends(price, idle, grid)
    step_mwh = grid.step_mwh * last / (len(position) - 1)
    return HindsightValue(
        base=base,
        above=above,
        lowest_mwh=grid.lowest_mwh,
        step_mwh=step_mwh,
        tabulate=lambda block, base, above: _tabulate(block, after, price, idle, grid, position, base, above),
        known=np.zeros(len(after), np.bool_),
    )


@nb.njit(cache=True)
def _block_ends(price: Array, idle: NDArray[np.bool_], grid: EnergyGrid) -> Array:
    """Return the (B, size) values of stored energy at the end of each block of rows."""
    value, work = np.zeros(grid.size), np.empty((4, grid.size))
    after = np.zeros((len(price) // BLOCK + 1, grid.size))
    for t in range(len(price) - 1, -1, -1):
        if (t + 1) % BLOCK == 0:
            after[t // BLOCK] = value
        _one_row_earlier(value, work, price[t], idle[t], grid)
    return after


@nb.njit(cache=True)
def _one_row_earlier(value: Array, work: Array, price: float, idle: bool, grid: EnergyGrid) -> None:
    """Turn the value at the end of a row into the value at its start."""
    if not idle:
        bellman_backup(value, value, work, price, grid)
    elif grid.limits.retention < 1:
        decay(value, work[0], grid)


@nb.njit(cache=True)
def _tabulate(
    block: int,
    after: Array,
    price: Array,
    idle: NDArray[np.bool_],
    grid: EnergyGrid,
    position: Array,
    base: Array,
    above: NDArray[np.float32],
) -> None:
    value, work, first = after[block].copy(), np.empty((4, grid.size)), block * BLOCK
    for t in range(min(first + BLOCK, len(base)) - 1, first - 1, -1):
        if t < len(price):
            _one_row_earlier(value, work, price[t], idle[t], grid)
        base[t] = interpolate(value, position[0])
        for m in range(len(position)):
            above[t, m] = interpolate(value, position[m]) - base[t]


@nb.njit(cache=True)
def _unknown_block(known: NDArray[np.bool_], row: NDArray[np.int64]) -> int:
    """Return the first block of some rows that is not tabulated, or -1; rows outside the table are left out."""
    for n in range(len(row)):
        block = int(row[n]) // BLOCK
        if 0 <= block < len(known) and not known[block]:
            return block
    return -1


@nb.njit(cache=True)
def _look_up(
    base: Array, above: NDArray[np.float32], lowest: float, step: float, row: NDArray[np.int64], energy: Array
) -> Array:
    value = np.empty(len(row))
    last = above.shape[1] - 2
    for n in range(len(row)):
        t = row[n]
        if t < 0 or t >= len(base):
            raise IndexError("row is outside the table of hindsight values")
        position = (energy[n] - lowest) / step
        i = min(max(int(position), 0), last)
        low, high = above[t, i], above[t, i + 1]
        value[n] = base[t] + low + (position - i) * (high - low)
    return value
