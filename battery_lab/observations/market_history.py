"""Market history: scaled columns in which each row holds only what is known when its interval is dispatched."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from battery_lab.common.errors import ConfigError
from battery_lab.market.forecasts.future_values import PRICE, column_lag, is_known_ahead, known_ends
from battery_lab.market.forecasts.newest_vintages import NewestVintages, ranked_products
from battery_lab.market.market_series import MarketSeries
from battery_lab.market.rolling_statistics import rolling_mean, rolling_quantiles
from battery_lab.observations.column_scale import ColumnScale

Array = NDArray[np.float64]


class History:
    """The view of a market series that features receive.

    All methods return arrays of T rows, one per interval. Row t uses values up to row t - price_lag or, for columns
    that are published ahead, up to their lead time. Before the first row, the first value is repeated.

    Attributes:
        interval_h: length of an interval, hours.
        hour: (T,) hour of the local day at the start of each interval.
        weekday: (T,) local day of the week; Monday is 0.
        day_of_year: (T,) local day of the year.
    """

    def __init__(self, series: MarketSeries, price_lag: int, scales: Mapping[str, ColumnScale]) -> None:
        """Create a view of a series.

        Args:
            series: the market.
            price_lag: 0 if the price of an interval is known when it is dispatched, 1 if only the one before is.
            scales: the scale of each column, fitted to the training period.
        """
        self.interval_h = series.interval_h
        self.hour = series.hour
        self.weekday = series.weekday
        self.day_of_year = np.asarray(series.local_start.day_of_year, np.int64)
        self._series, self._lag, self._scales = series, price_lag, scales
        self._known: dict[str, Array] = {}
        self._means: dict[tuple[str, int], Array] = {}
        self._vintages: dict[tuple[str, str | None], NewestVintages] = {}

    def __len__(self) -> int:
        """Return T, the number of intervals."""
        return len(self._series)

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns of the market."""
        return ("price", *self._series.columns)

    def intervals(self, hours: float) -> int:
        """Return the number of dispatch intervals in a duration, at least one."""
        return max(1, round(hours / self.interval_h))

    def latest(self, column: str) -> Array:
        """Return the (T,) last known values."""
        if column not in self._known:
            self._known[column] = _delay(self._scaled(column), column_lag(self._series, column, self._lag))
        return self._known[column]

    def lag(self, column: str, hours: float) -> Array:
        """Return the (T,) values that were the last known ones some hours ago."""
        return _delay(self.latest(column), round(hours / self.interval_h))

    def mean(self, column: str, hours: float) -> Array:
        """Return the (T,) mean over the last hours; shared by all features, so not to be changed."""
        key = (column, self.intervals(hours))
        if key not in self._means:
            self._means[key] = rolling_mean(self.latest(column), key[1])
        return self._means[key]

    def quantiles(self, column: str, hours: float, quantiles: Sequence[float]) -> Array:
        """Return (T, Q) quantiles over the last hours."""
        return rolling_quantiles(self.latest(column), self.intervals(hours), np.asarray(quantiles, np.float64))

    def window(self, column: str, hours: float) -> NDArray[np.float32]:
        """Return the (T, W) values of the last hours, oldest first, as a view with the memory of one column."""
        width = self.intervals(hours)
        latest = self.latest(column).astype(np.float32)
        padded = np.concatenate([np.full(width - 1, latest[0], np.float32), latest])
        return sliding_window_view(padded, width)

    def same_hour(self, column: str, ahead_h: float, days: int) -> Array:
        """Return the (T,) mean, over past days, of the hour of day that ends ``ahead_h`` hours ahead.

        Args:
            column: the column.
            ahead_h: 1 to 24; 1 is the hour that begins at the end of the last interval with a known price.
            days: number of past days, yesterday first.
        """
        hourly = self.mean(column, 1.0)
        per_day, ahead = self.intervals(24), self.intervals(ahead_h)
        past = [_delay(hourly, day * per_day - ahead) for day in range(1, days + 1)]
        return past[0] if days == 1 else np.asarray(np.mean(past, axis=0))

    def ahead(self, column: str, ahead_h: float) -> Array:
        """Return the (T,) values published for the hour that ends ``ahead_h`` hours after the interval's start.

        If the column is published once per day, an hour that is not published yet has the value of the same hour of
        the latest day that is.

        Raises:
            ConfigError: the column is not published that far ahead.
        """
        if column in self._series.published:
            return self._daily(column, ahead_h)
        lead_h = self._series.lead_h.get(column, 0.0)
        if ahead_h > lead_h:
            raise ConfigError(
                f"observation: column {column!r} of market {self._series.name} is known {lead_h:g} h ahead, "
                f"and a feature needs {ahead_h:g} h: shorten its hours_ahead"
            )
        width = self.intervals(1.0)
        means = rolling_mean(self._scaled(column), width)
        shift = self.intervals(ahead_h) - 1
        return np.concatenate([means[shift:], np.full(shift, means[-1])])

    def is_published(self, column: str) -> bool:
        """Return whether a column, or ``price``, is published before its interval."""
        return column in self.columns and is_known_ahead(self._series, column)

    @property
    def forecasts(self) -> Mapping[str, str]:
        """What each forecast with vintages is of, by its name."""
        return {name: known.quantity for name, known in self._series.forecasts.items()}

    def vintages(self, quantity: str, product: str | None, field: str) -> NewestVintages:
        """Return the newest vintages of a quantity for each row, in its own unit, those of the finest step first.

        Args:
            quantity: ``price`` or what else is forecast.
            product: the only forecast to use; None: all of the quantity.
            field: the option that names the product, for the error message.

        Raises:
            ConfigError: there is no such forecast of the quantity.
        """
        key = (quantity, product)
        if key not in self._vintages:
            ranks = ranked_products(self._series, quantity, None if product is None else [product], field)
            self._vintages[key] = NewestVintages(ranks, self._series.start)
        return self._vintages[key]

    def planned(self, plan: Callable[[MarketSeries, int], Array]) -> Array:
        """Return the (T, K) values of a plan, currency per MWh, on the scale of prices.

        Args:
            plan: receives the series and the price lag, and must use for a row only what is known at its start.
        """
        return self.scaled(PRICE, plan(self._series, self._lag))

    def scaled(self, quantity: str, values: Array) -> Array:
        """Return values of a quantity on the scale that was fitted to it.

        Raises:
            ConfigError: no scale was fitted to it.
        """
        return self._scale(quantity).apply(values)

    def _daily(self, column: str, ahead_h: float) -> Array:
        """Return what ``ahead`` returns of a column that is published once per day."""
        means, rows = rolling_mean(self._scaled(column), self.intervals(1.0)), np.arange(len(self))
        last, day = rows + self.intervals(ahead_h) - 1, self.intervals(24)
        end = np.minimum(known_ends(self._series, column, self._lag), len(self))
        days_back = np.maximum(-((end - 1 - last) // day), 0)
        values: Array = means[np.maximum(last - day * days_back, 0)]
        return values

    def _scaled(self, column: str) -> Array:
        series = self._series
        if column not in self.columns:
            raise ConfigError(
                f"observation: market {series.name} has no column {column!r}, only {', '.join(self.columns)}: "
                "choose another observation set, for example observation=compact"
            )
        values = series.price if column == PRICE else series.columns[column]
        return self._scale(column).apply(values)

    def _scale(self, column: str) -> ColumnScale:
        if column not in self._scales:
            raise ConfigError(
                f"observation: no scale was fitted for column {column!r}, only for {', '.join(self._scales)}: "
                "the policy was trained on a market without this column"
            )
        return self._scales[column]


def _delay(values: Array, intervals: int) -> Array:
    if intervals == 0:
        return values
    return np.concatenate([np.full(min(intervals, len(values)), values[0]), values[:-intervals]])
