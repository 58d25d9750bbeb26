"""Market series: prices and further columns of one market on an unbroken grid of intervals."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from battery_lab.market.forecasts.daily_publication import DailyPublication
from battery_lab.market.forecasts.forecast_vintages import ForecastVintages


@dataclass(frozen=True, kw_only=True, eq=False)
class MarketSeries:
    """Prices on an unbroken grid of dispatch intervals, stamped by the start of the interval.

    Attributes:
        name: the market or its region, for example ``VIC1``.
        currency: ISO 4217 code of all amounts.
        time_zone: IANA name of the local clock; used for calendars only.
        interval_h: length of an interval, hours.
        start: (T,) datetime64[s], UTC, exactly one interval apart.
        price: (T,) currency per MWh, finite.
        columns: further (T,) float64 columns by name (``demand_mw``, ``temperature_c``, ``price_forecast``); finite.
        lead_h: hours before the start of the interval at which the value of a column, or the price itself (``price``),
            is published. A column without an entry here or in ``published`` is measured: its value is known when the
            price of the interval is.
        published: the columns, or ``price``, that are published once per day for the next day.
        forecasts: forecasts by the time they were published, by the name of the product.
        published_interval_h: the shortest and the longest interval for which the operator published a price, hours.
            Where they are not ``interval_h``, prices were repeated or averaged. None: all are ``interval_h``.
        gap: (T,) True where the operator published nothing. Such rows repeat the last price, so that lags stay
            correct, and no episode may include them.
        price_floor: lowest price of a bid in this market, currency per MWh; None if it is not known. Prices may be
            lower: floors and caps change over the years, and congestion can take local prices beyond them.
        price_cap: highest price of a bid; None if it is not known.
        filled: (T,) True where a value was missing and repeats the one before it, and which counts as a price. None:
            nowhere. No row is both filled and a gap.
        notes: what was left out or looks wrong in the source, one sentence each, for the head of every result.
    """

    name: str
    currency: str
    time_zone: str
    interval_h: float
    start: NDArray[np.datetime64]
    price: NDArray[np.float64]
    gap: NDArray[np.bool_]
    columns: Mapping[str, NDArray[np.float64]] = field(default_factory=dict)
    lead_h: Mapping[str, float] = field(default_factory=dict)
    price_floor: float | None = None
    price_cap: float | None = None
    filled: NDArray[np.bool_] | None = None
    notes: tuple[str, ...] = ()
    published: Mapping[str, DailyPublication] = field(default_factory=dict)
    forecasts: Mapping[str, ForecastVintages] = field(default_factory=dict)
    published_interval_h: tuple[float, float] | None = None

    def __len__(self) -> int:
        return len(self.price)

    @property
    def intervals_per_day(self) -> int:
        """Number of dispatch intervals per day of 24 hours."""
        return round(24 / self.interval_h)

    @property
    def days(self) -> float:
        """Length of the series in days of 24 hours."""
        return len(self) / self.intervals_per_day

    @property
    def beyond_limits(self) -> int:
        """Number of prices below the floor or above the cap, as far as these are known."""
        low = -np.inf if self.price_floor is None else self.price_floor
        high = np.inf if self.price_cap is None else self.price_cap
        return int(((self.price < low) | (self.price > high)).sum())

    @property
    def repeats_prices(self) -> bool:
        """Whether the price of a longer interval stands in several rows (``market.resample=repeat``)."""
        return self.published_interval_h is not None and self.published_interval_h[1] > self.interval_h

    @property
    def is_filled(self) -> NDArray[np.bool_]:
        """(T,) True where a missing value was filled."""
        return np.zeros(len(self), np.bool_) if self.filled is None else self.filled

    def rows(self, first: int, end: int) -> MarketSeries:
        """Return rows ``first`` to before ``end``, as views of this series."""
        cut = slice(first, end)
        return replace(
            self,
            start=self.start[cut],
            price=self.price[cut],
            gap=self.gap[cut],
            filled=None if self.filled is None else self.filled[cut],
            columns={name: values[cut] for name, values in self.columns.items()},
            forecasts=self._seen_within(self.start[cut]),
        )

    def _seen_within(self, start: NDArray[np.datetime64]) -> Mapping[str, ForecastVintages]:
        """Return the forecasts that some rows, by their start, or the interval after them can see."""
        if not len(start):
            return self.forecasts
        end = start[-1] + np.timedelta64(round(self.interval_h * 3600), "s")
        return {name: vintages.between(start[0], end) for name, vintages in self.forecasts.items()}

    @cached_property
    def local_start(self) -> pd.DatetimeIndex:
        """(T,) start of each interval on the local clock, with daylight saving."""
        return pd.DatetimeIndex(self.start).tz_localize("UTC").tz_convert(self.time_zone)

    @cached_property
    def hour(self) -> NDArray[np.float64]:
        """(T,) hour of the local day at the start of each interval, from 0 to less than 24."""
        local = self.local_start
        return np.asarray(local.hour + local.minute / 60, np.float64)

    @cached_property
    def weekday(self) -> NDArray[np.int64]:
        """(T,) local day of the week; Monday is 0."""
        return np.asarray(self.local_start.day_of_week, np.int64)

    @cached_property
    def local_day(self) -> NDArray[np.int64]:
        """(T,) number of the local day, counted from 1 January 1970; with daylight saving a day has 23 to 25 hours."""
        midnight = self.local_start.tz_localize(None).to_numpy().astype("datetime64[D]")
        return np.asarray(midnight.astype(np.int64))

    @cached_property
    def digest(self) -> str:
        """Hash of the content without the name, so that the same data in a renamed file has the same digest."""
        head = repr((self.currency, self.time_zone, self.interval_h, sorted(self.lead_h.items())))
        hasher = hashlib.sha256(head.encode())
        for values in (self.start, self.price, self.gap):
            hasher.update(np.ascontiguousarray(values).tobytes())
        for name in sorted(self.columns):
            hasher.update(name.encode())
            hasher.update(np.ascontiguousarray(self.columns[name]).tobytes())
        # Nothing is added for a series without them, whose digest is that of earlier versions.
        for name in sorted(self.published):
            hasher.update(f"published {name} {self.published[name]!r}".encode())
        if self.repeats_prices:
            hasher.update(f"repeated {self.published_interval_h!r}".encode())
        for name in sorted(self.forecasts):
            hasher.update(f"forecast {name} {self.forecasts[name].digest}".encode())
        return hasher.hexdigest()[:16]
