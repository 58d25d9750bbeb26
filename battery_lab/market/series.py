"""The one form in which the lab holds a market's prices."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Protocol

import numpy as np
import pandas as pd
from numpy.typing import NDArray


@dataclass(frozen=True, kw_only=True, eq=False)
class MarketSeries:
    """Prices on an unbroken grid of dispatch intervals, stamped by their start.

    Attributes:
        name: the market or its region, for instance ``VIC1``.
        currency: ISO 4217 code that all money is in.
        time_zone: IANA name of the clock that people there live by; used for calendars only.
        interval_h: length of an interval in hours.
        start: (T,) datetime64[s], UTC, strictly one interval apart.
        price: (T,) currency per MWh, finite.
        columns: further (T,) float64 columns by name with their unit (``demand_mw``, ``temperature_c``,
            ``price_forecast``); finite.
        lead_h: for columns that are published ahead: how many hours before the interval's start its value is known.
            A column that is not named here is measured, and known when the interval's own price is.
        gap: (T,) True where the operator published nothing and the price is only carried on so that lags keep their
            meaning; no episode may touch such a row.
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

    def __len__(self) -> int:
        return len(self.price)

    @property
    def intervals_per_day(self) -> int:
        """How many dispatch intervals a day of 24 hours has."""
        return round(24 / self.interval_h)

    @property
    def days(self) -> float:
        """Length of the series in days of 24 hours."""
        return len(self) / self.intervals_per_day

    def rows(self, first: int, end: int) -> MarketSeries:
        """Return rows ``first`` to before ``end``, as views of this series."""
        cut = slice(first, end)
        return replace(
            self,
            start=self.start[cut],
            price=self.price[cut],
            gap=self.gap[cut],
            columns={name: values[cut] for name, values in self.columns.items()},
        )

    @cached_property
    def local_start(self) -> pd.DatetimeIndex:
        """(T,) each interval's start on the local clock, daylight saving included."""
        return pd.DatetimeIndex(self.start).tz_localize("UTC").tz_convert(self.time_zone)

    @cached_property
    def hour(self) -> NDArray[np.float64]:
        """(T,) hour of the local day at the interval's start, 0 to below 24."""
        local = self.local_start
        return np.asarray(local.hour + local.minute / 60, np.float64)

    @cached_property
    def weekday(self) -> NDArray[np.int64]:
        """(T,) local day of the week, Monday is 0."""
        return np.asarray(self.local_start.day_of_week, np.int64)

    @cached_property
    def digest(self) -> str:
        """A hash of what the series holds, by whatever name: the same data in a file called otherwise are the same."""
        head = repr((self.currency, self.time_zone, self.interval_h, sorted(self.lead_h.items())))
        hasher = hashlib.sha256(head.encode())
        for values in (self.start, self.price, self.gap):
            hasher.update(np.ascontiguousarray(values).tobytes())
        for name in sorted(self.columns):
            hasher.update(name.encode())
            hasher.update(np.ascontiguousarray(self.columns[name]).tobytes())
        return hasher.hexdigest()[:16]


class Market(Protocol):
    """A choice of conf/market: where prices come from."""

    def load(self) -> MarketSeries:
        """Return the whole series.

        Raises:
            DataError: the source cannot be used; says which file and row, and what to do.
        """
