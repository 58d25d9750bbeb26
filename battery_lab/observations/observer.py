"""Observers: the observations of a market and battery, from precomputed market columns and the SoC."""

from __future__ import annotations

from dataclasses import dataclass

import numba as nb
import numpy as np
from numpy.typing import NDArray

from battery_lab.common.errors import ConfigError
from battery_lab.envs.battery.physics import Battery
from battery_lab.envs.layout import Layout

Array = NDArray[np.float64]
Float32 = NDArray[np.float32]
CAPS_LEFT = ("fraction left of the day's cycles", "cycles saved against a steady use, fraction of the year's")
UNUSED = (1.0, 0.0)  # those two numbers at the start of a stretch, and without caps
LAST_PRICE = "price 0 min ago"  # as Lags and Window name it


@dataclass(frozen=True, kw_only=True, eq=False)
class Table:
    """The numbers of observations that do not depend on the battery, for T intervals.

    Attributes:
        layout: names and places of all numbers of an observation.
        values: (T, W) float32, standardised features that are not a window.
        window: (T, V) float32, the window; None if there is none.
    """

    layout: Layout
    values: Float32
    window: Float32 | None


class Observer:
    """Observations of one market and battery. The market's columns are precomputed; each call adds the battery's state.

    Attributes:
        layout: the names of the columns, and which of them are the window.
        shows_caps: whether observations include what is left of the caps on cycles.
    """

    def __init__(self, table: Table, battery: Battery, soc: str, shows_caps: bool = False) -> None:
        """Create an observer from the numbers of a market."""
        self.layout, self.shows_caps, self._table = table.layout, shows_caps, table.values
        self._window = np.empty((len(table.values), 0), np.float32) if table.window is None else table.window
        self._marks_limits = soc == "level_and_limits"
        self._low = float(battery.energy_min_mwh)
        self._range = float(battery.energy_max_mwh - battery.energy_min_mwh)

    @property
    def state_numbers(self) -> int:
        """How many numbers at the start of an observation depend on the battery: its charge, and its caps if shown."""
        return (2 if self._marks_limits else 1) + (len(CAPS_LEFT) if self.shows_caps else 0)

    @property
    def price_number(self) -> int:
        """Number of an observation that is the last known price.

        Raises:
            ConfigError: the observation set has none.
        """
        if LAST_PRICE not in self.layout.names:
            raise ConfigError(
                "observation.features must include the last known price for algo=bid_curves, which compares it with "
                "bids: add 0 to the minutes of the price's lags"
            )
        return self.layout.names.index(LAST_PRICE)

    def market_number(self, row: NDArray[np.int64], number: int) -> Array:
        """Return the (N,) values of one number of an observation that does not depend on the state of charge."""
        place = number - self.state_numbers
        past = place - self._table.shape[1]
        return np.asarray(self._table[row, place] if past < 0 else self._window[row, past], np.float64)

    def __call__(self, row: NDArray[np.int64], energy_mwh: Array, left: Array | None = None) -> Float32:
        """Return (N, size) observations of N batteries.

        Args:
            row: (N,) the interval that each battery is about to dispatch.
            energy_mwh: (N,) stored energy.
            left: (N, 2) what is left of the caps on cycles, if ``shows_caps``; see ``left_shares``. None: all of it.

        Raises:
            ValueError: the two arrays differ in length.
            IndexError: the series has no such row.
        """
        if row.shape != energy_mwh.shape:
            raise ValueError(f"row and energy_mwh must have the same shape, got {row.shape} and {energy_mwh.shape}")
        out = np.empty((len(row), self.layout.size), np.float32)
        if self.shows_caps:
            out[:, self.state_numbers - len(CAPS_LEFT) : self.state_numbers] = UNUSED if left is None else left
        battery = (self._low, self._range, self._marks_limits, self.state_numbers)
        missing = _observe(out, row, energy_mwh, *battery, self._table, self._window)
        if missing >= 0:
            rows = len(self._table)
            raise IndexError(f"row must be an interval of the market series from 0 to {rows - 1}, got {row[missing]}")
        return out


@nb.njit(cache=True)
def _observe(
    out: Float32,
    row: NDArray[np.int64],
    energy_mwh: Array,
    low_mwh: float,
    range_mwh: float,
    marks_limits: bool,
    first_market: int,
    table: Float32,
    window: Float32,
) -> int:
    """Write the observations in one pass, except for caps; return the first battery whose row does not exist, or -1."""
    for n in range(len(row)):
        if not 0 <= row[n] < len(table):
            return n
        usable = (energy_mwh[n] - low_mwh) / range_mwh
        out[n, 0] = 2 * usable - 1
        if marks_limits:
            out[n, 1] = (1.0 if usable > 0.999 else 0.0) - (1.0 if usable < 0.001 else 0.0)
        first = first_market
        for k in range(table.shape[1]):
            out[n, first + k] = table[row[n], k]
        first += table.shape[1]
        for k in range(window.shape[1]):
            out[n, first + k] = window[row[n], k]
    return -1
