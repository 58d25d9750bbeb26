"""Observation sets: the columns of several features, standardised with scales from the training period."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Any, Literal

import numba as nb
import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from battery_lab.common.errors import ConfigError, require
from battery_lab.common.validated_options import Rule, Unit, options
from battery_lab.envs.battery.physics import Battery
from battery_lab.envs.layout import Layout
from battery_lab.market.market_series import MarketSeries
from battery_lab.observations.feature import Block, Feature
from battery_lab.observations.history import ColumnScale, History, fit_scales

Array = NDArray[np.float64]
Float32 = NDArray[np.float32]
LAST_PRICE = "price 0 min ago"  # as Lags and Window name it
CHUNK_ROWS = 2048  # rows that are standardised at a time, so that they stay in the processor's cache


@dataclass(frozen=True, kw_only=True)
class Scaling:
    """Everything that is fitted to the training period. A stored policy keeps it, so that it sees any market alike.

    Attributes:
        columns: the scale of each market column.
        mean: (W,) means of the features that are not a window.
        std: (W,) their standard deviations.
    """

    columns: Mapping[str, ColumnScale]
    mean: Array
    std: Array

    def to_json(self) -> dict[str, Any]:
        """Return plain lists and numbers."""
        columns = {name: [s.squash, s.mean, s.std] for name, s in self.columns.items()}
        return {"columns": columns, "mean": self.mean.tolist(), "std": self.std.tolist()}

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Scaling:
        """Restore what ``to_json`` returned."""
        columns = {name: ColumnScale(*numbers) for name, numbers in stored["columns"].items()}
        return cls(columns=columns, mean=np.asarray(stored["mean"]), std=np.asarray(stored["std"]))


class Observer:
    """Observations of one market and battery. The market's columns are precomputed; each call adds the SoC.

    Attributes:
        layout: the names of the columns, and which of them are the window.
    """

    def __init__(self, layout: Layout, table: Float32, window: Float32 | None, battery: Battery, soc: str) -> None:
        """Create an observer from (T, W) market features and, if there is one, the (T, V) window."""
        self.layout = layout
        self._table, self._window = table, np.empty((len(table), 0), np.float32) if window is None else window
        self._marks_limits = soc == "level_and_limits"
        self._low = float(battery.energy_min_mwh)
        self._range = float(battery.energy_max_mwh - battery.energy_min_mwh)

    @property
    def state_numbers(self) -> int:
        """How many numbers at the start of an observation depend on the state of charge."""
        return 2 if self._marks_limits else 1

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

    def __call__(self, row: NDArray[np.int64], energy_mwh: Array) -> Float32:
        """Return (N, size) observations of N batteries.

        Args:
            row: (N,) the interval that each battery is about to dispatch.
            energy_mwh: (N,) stored energy.

        Raises:
            ValueError: the two arrays differ in length.
            IndexError: the series has no such row.
        """
        if row.shape != energy_mwh.shape:
            raise ValueError(f"row and energy_mwh must have the same shape, got {row.shape} and {energy_mwh.shape}")
        out = np.empty((len(row), self.layout.size), np.float32)
        battery = (self._low, self._range, self._marks_limits)
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
    table: Float32,
    window: Float32,
) -> int:
    """Write the observations in one pass; return the first battery whose row does not exist, or -1."""
    for n in range(len(row)):
        if not 0 <= row[n] < len(table):
            return n
        usable = (energy_mwh[n] - low_mwh) / range_mwh
        out[n, 0] = 2 * usable - 1
        first = 1
        if marks_limits:
            out[n, 1] = (1.0 if usable > 0.999 else 0.0) - (1.0 if usable < 0.001 else 0.0)
            first = 2
        for k in range(table.shape[1]):
            out[n, first + k] = table[row[n], k]
        first += table.shape[1]
        for k in range(window.shape[1]):
            out[n, first + k] = window[row[n], k]
    return -1


@options("observation")
class ObservationSet:
    """An option of conf/observation.

    Attributes:
        soc: ``level`` gives the state of charge from -1 (minimum) to 1 (maximum); ``level_and_limits`` adds a number
            that is 1 when full, -1 when empty and 0 between.
        clip: standardised features are clipped to +- this many standard deviations.
        features: the features of the market by a name of your choice, in the order of their columns.
    """

    soc: Literal["level", "level_and_limits"]
    clip: Annotated[float, Field(ge=1, le=1000), Unit("standard deviations")]
    features: Annotated[
        Mapping[str, Annotated[Feature, Rule("a feature with a _target_, look_back_h and build")]], Field(min_length=1)
    ]

    @property
    def look_back_h(self) -> float:
        """Hours of history that an observation needs."""
        return max(feature.look_back_h for feature in self.features.values())

    def fit(self, training: MarketSeries, price_lag: int) -> Scaling:
        """Fit all scales to the training period.

        Raises:
            ConfigError: a feature looks ahead, or needs a column that the market does not have.
        """
        columns = fit_scales(training)
        self._refuse_look_ahead(training, price_lag, columns)
        parts = _table_parts(self._blocks(History(training, price_lag, columns)))
        mean, std = ([row for part in parts for row in of(part, axis=0)] for of in (np.mean, np.std))
        return Scaling(columns=columns, mean=np.asarray(mean), std=np.maximum(std, 1e-3))

    def build(self, series: MarketSeries, price_lag: int, scaling: Scaling, battery: Battery) -> Observer:
        """Precompute the observations of a whole series.

        Raises:
            ConfigError: the market does not have a column that a feature needs.
        """
        blocks = self._blocks(History(series, price_lag, scaling.columns))
        parts = _table_parts(blocks)
        width, fitted = sum(part.shape[1] for part in parts), len(scaling.mean)
        rule = f"must give as many features as the scaling was fitted to, {fitted}"
        require(width == fitted, "observation.features", rule, width)
        scaled = self._scaled(parts, scaling, len(series))
        window = next((np.asarray(b.values, np.float32) for b in blocks if b.window), None)
        return Observer(self._layout(blocks), scaled, window, battery, self.soc)

    def _scaled(self, parts: Sequence[Array], scaling: Scaling, rows: int) -> Float32:
        """Return (T, W) standardised features."""
        scaled = np.empty((rows, len(scaling.mean)), np.float32)
        first = 0
        for part in parts:
            columns = slice(first, first := first + part.shape[1])
            mean, std = scaling.mean[columns], scaling.std[columns]
            for row in range(0, rows, CHUNK_ROWS):
                chunk = (part[row : row + CHUNK_ROWS] - mean) / std
                scaled[row : row + CHUNK_ROWS, columns] = chunk.clip(-self.clip, self.clip, out=chunk)
        return scaled

    def _refuse_look_ahead(self, series: MarketSeries, price_lag: int, columns: Mapping[str, ColumnScale]) -> None:
        """Change what is not known yet in a short piece of the series, and check that no feature changes."""
        per_day = series.intervals_per_day
        now = min(3 * per_day, len(series) // 2)
        original = series.rows(0, min(len(series), now + 3 * per_day))
        changed = _changed_after(original, now, price_lag)
        for name, feature in self.features.items():
            before, after = (feature.build(History(piece, price_lag, columns)) for piece in (original, changed))
            if before is None or after is None:
                continue
            if not np.array_equal(before.values[: now + 1], after.values[: now + 1]):
                raise ConfigError(
                    f"observation.features.{name} looks ahead: its value for an interval depends on prices that are "
                    "not known when the interval is dispatched; build it from the methods of History"
                )

    def _blocks(self, history: History) -> list[Block]:
        built = {name: feature.build(history) for name, feature in self.features.items()}
        blocks = [_checked(name, block, history) for name, block in built.items() if block is not None]
        windows = [block for block in blocks if block.window]
        require(len(windows) <= 1, "observation.features", "must have at most one Window", len(windows))
        return blocks

    def _layout(self, blocks: Sequence[Block]) -> Layout:
        level = ("usable soc, -1 to 1",)
        soc = level if self.soc == "level" else (*level, "at a soc limit, -1 or 1")
        names = soc + tuple(name for block in blocks if not block.window for name in block.names)
        window = tuple(name for block in blocks if block.window for name in block.names)
        return Layout(names=names + window, window_first=len(names), window_size=len(window))


def _checked(name: str, block: Block, history: History) -> Block:
    """Return a feature's block, which compiled code reads without further checks."""
    expected, shape = (len(history), len(block.names)), np.shape(block.values)
    rule = f"must return one row per interval and one column per name, {expected[0]} and {expected[1]}"
    require(shape == expected, f"observation.features.{name}", rule, shape)
    return block


def _changed_after(series: MarketSeries, now: int, price_lag: int) -> MarketSeries:
    """Return a copy of the series in which everything that is not known at row ``now`` differs."""
    row = np.arange(len(series))

    def change(values: Array, lead_h: float) -> Array:
        known = now - price_lag if lead_h == 0 else now + round(lead_h / series.interval_h)
        return np.where(row > known, values[::-1] + 1000.0, values)

    changed = {name: change(values, series.lead_h.get(name, 0.0)) for name, values in series.columns.items()}
    return replace(series, price=change(series.price, 0.0), columns=changed)


def _table_parts(blocks: Sequence[Block]) -> list[Array]:
    """Return the blocks that are not a window; side by side they are the table."""
    return [np.asarray(block.values, np.float64) for block in blocks if not block.window]
