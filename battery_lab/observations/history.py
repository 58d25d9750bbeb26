"""A market series as it is known interval by interval: the only view that features get, and it ends now."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from battery_lab.common.errors import ConfigError
from battery_lab.market.series import MarketSeries
from battery_lab.observations.rolling_statistics import trailing_mean, trailing_quantiles

Array = NDArray[np.float64]


@dataclass(frozen=True)
class ColumnScale:
    """How a market column becomes a number that a network can use: standardised, prices squashed before.

    Attributes:
        squash: prices are squashed by asinh(price / squash) so that spikes stay usable; 0 leaves values as they are.
        mean: subtracted, after squashing.
        std: divided by, after squashing.
    """

    squash: float
    mean: float
    std: float

    @classmethod
    def fit(cls, values: Array, *, squashed: bool) -> ColumnScale:
        """Fit to (T,) training values; the squash is their median magnitude."""
        squash = max(float(np.median(np.abs(values))), 1e-6) if squashed else 0.0
        shaped = np.arcsinh(values / squash) if squashed else values
        return cls(squash, float(shaped.mean()), max(float(shaped.std()), 1e-6))

    def apply(self, values: Array) -> Array:
        """Return (T,) scaled values."""
        shaped = np.arcsinh(values / self.squash) if self.squash else values
        return (shaped - self.mean) / self.std


def fit_scales(training: MarketSeries) -> dict[str, ColumnScale]:
    """Fit the scale of every column to training time; a column whose name begins with ``price`` is squashed."""
    columns = {"price": training.price, **training.columns}
    return {name: ColumnScale.fit(values, squashed=name.startswith("price")) for name, values in columns.items()}


class History:
    """Scaled market columns, each row holding only what is known when its interval is dispatched.

    Every method returns arrays of T rows, one an interval of the series. Time before the first row repeats the first
    value. Row t depends on values up to row t - price_lag, or, for columns that are published ahead, up to their lead.
    """

    def __init__(self, series: MarketSeries, price_lag: int, scales: Mapping[str, ColumnScale]) -> None:
        """Take a view of a series.

        Args:
            series: the market.
            price_lag: 0 if an interval's own price is known when it is dispatched, 1 if only the one before is.
            scales: the scale of each column, fitted on training time.
        """
        self.interval_h = series.interval_h
        self.hour = series.hour
        self.weekday = series.weekday
        self.day_of_year = np.asarray(series.local_start.day_of_year, np.int64)
        self._series, self._lag, self._scales = series, price_lag, scales
        self._known: dict[str, Array] = {}

    def __len__(self) -> int:
        """Return T, the number of intervals."""
        return len(self._series)

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that the market has."""
        return ("price", *self._series.columns)

    def intervals(self, hours: float) -> int:
        """Return a length of time as a whole number of dispatch intervals, at least one."""
        return max(1, round(hours / self.interval_h))

    def latest(self, column: str) -> Array:
        """Return (T,) the last value known."""
        if column not in self._known:
            self._known[column] = _delay(self._scaled(column), self._lag)
        return self._known[column]

    def lag(self, column: str, hours: float) -> Array:
        """Return (T,) the value that was the last known one some hours ago."""
        return _delay(self.latest(column), round(hours / self.interval_h))

    def mean(self, column: str, hours: float) -> Array:
        """Return (T,) the mean over the last hours."""
        return trailing_mean(self.latest(column), self.intervals(hours))

    def quantiles(self, column: str, hours: float, quantiles: Sequence[float]) -> Array:
        """Return (T, Q) quantiles over the last hours."""
        return trailing_quantiles(self.latest(column), self.intervals(hours), np.asarray(quantiles, np.float64))

    def window(self, column: str, hours: float) -> NDArray[np.float32]:
        """Return (T, W) the last hours, oldest first, as a view that costs the memory of one column."""
        width = self.intervals(hours)
        latest = self.latest(column).astype(np.float32)
        padded = np.concatenate([np.full(width - 1, latest[0], np.float32), latest])
        return sliding_window_view(padded, width)

    def same_hour(self, column: str, ahead_h: float, days: int) -> Array:
        """Return (T,) the mean, over the last days, of the hour that ends ``ahead_h`` hours ahead on the clock.

        Args:
            column: the column.
            ahead_h: 1 to 24; 1 is the hour that begins when the last interval with a known price ends.
            days: over how many days, yesterday first.
        """
        hourly = self.mean(column, 1.0)
        a_day, ahead = self.intervals(24), self.intervals(ahead_h)
        return np.asarray(np.mean([_delay(hourly, day * a_day - ahead) for day in range(1, days + 1)], axis=0))

    def ahead(self, column: str, ahead_h: float) -> Array:
        """Return (T,) what was published for the hour that ends ``ahead_h`` hours after the interval's start.

        Raises:
            ConfigError: the column is not published that far ahead.
        """
        lead_h = self._series.lead_h.get(column, 0.0)
        if ahead_h > lead_h:
            raise ConfigError(
                f"observation: column {column!r} of market {self._series.name} is known {lead_h:g} h ahead, "
                f"and a feature asks for {ahead_h:g} h: shorten its hours_ahead"
            )
        width = self.intervals(1.0)
        means = trailing_mean(self._scaled(column), width)
        shift = self.intervals(ahead_h) - 1
        return np.concatenate([means[shift:], np.full(shift, means[-1])])

    def _scaled(self, column: str) -> Array:
        series = self._series
        if column not in self.columns:
            raise ConfigError(
                f"observation: market {series.name} has no column {column!r}, it has {', '.join(self.columns)}: "
                "choose another observation set, for instance observation=compact"
            )
        values = series.price if column == "price" else series.columns[column]
        if column not in self._scales:
            raise ConfigError(
                f"observation: no scale was fitted for column {column!r}, only for {', '.join(self._scales)}: "
                "the policy was trained on a market without it"
            )
        return self._scales[column].apply(values)


def _delay(values: Array, intervals: int) -> Array:
    if intervals == 0:
        return values
    return np.concatenate([np.full(min(intervals, len(values)), values[0]), values[:-intervals]])
