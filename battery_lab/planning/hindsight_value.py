"""Hindsight value: what stored energy is worth in each row with all prices known, as a table."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numba as nb
import numpy as np
from numpy.typing import NDArray

from battery_lab.envs.battery.physics import Array, Battery
from battery_lab.planning.bellman_backup import interpolate
from battery_lab.planning.energy_grid import EnergyGrid
from battery_lab.planning.perfect_foresight import idle_rows, one_row_earlier, optimum_grid

TABLE_BYTES = 200_000_000
BLOCK = 256  # rows of the table that are written at a time
# Returns an array of a shape, computed by a function or earlier.
Keep = Callable[[tuple[int, ...], Callable[[], Array]], Array]


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
    idle = idle_rows(price, gap)
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
        one_row_earlier(value, work, price[t], idle[t], grid)
    return after


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
            one_row_earlier(value, work, price[t], idle[t], grid)
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
