"""Interval lookup: the row of the interval that a user names by its time."""

from __future__ import annotations

from datetime import datetime

import numpy as np
import pandas as pd

from battery_lab.common.errors import ConfigError, DataError, require
from battery_lab.market.market_series import MarketSeries

EXAMPLES = "2025-06-30T17:05 or 2025-06-30T17:05+10:00"


def row_at(series: MarketSeries, at: str | None, history: int) -> int:
    """Return the row of the interval that starts at a time; ``len(series)`` is the interval after the last one.

    Args:
        series: the market.
        at: the time as a user writes it, on the market's local clock or with a UTC offset; None: the interval after
            the last one.
        history: number of intervals that must be known before.

    Raises:
        ConfigError: it is no time, or not the start of an interval of the series.
        DataError: the price of the interval before is missing.
    """
    row = len(series) if at is None else _row(series, at)
    first, last = local_time(series, history), local_time(series, len(series))
    if not history <= row <= len(series):
        raise ConfigError(
            f"at must be from {first} (the policy observes {history * series.interval_h:.3g} h before it) to {last} "
            f"(the end of market {series.name}), got {at or last}: choose another time, or add files to market.path"
        )
    if row == 0 or series.gap[row - 1]:
        raise DataError(
            f"at={at or last}: market {series.name} has no price for the interval before it, which the policy needs: "
            "add the price file, or choose a later time"
        )
    return row


def local_time(series: MarketSeries, row: int) -> pd.Timestamp:
    """Return the start of a row on the local clock; the row may follow the last one."""
    start = pd.Timestamp(series.start[0]) + row * pd.Timedelta(hours=1) * series.interval_h
    return start.round("s").tz_localize("UTC").tz_convert(series.time_zone)


def _row(series: MarketSeries, at: str) -> int:
    since = (_utc(series, at) - series.start[0]) / np.timedelta64(round(series.interval_h * 3600), "s")
    rule = f"must be the start of a dispatch interval of {60 * series.interval_h:g} minutes"
    require(float(since).is_integer(), "at", rule, at)
    return int(since)


def _utc(series: MarketSeries, at: str) -> np.datetime64:
    """Return a time in UTC."""
    try:
        time = pd.Timestamp(datetime.fromisoformat(at.strip("'\"")))
    except ValueError:
        raise ConfigError(f"at must be a time such as {EXAMPLES}, got {at!r}") from None
    if time.tzinfo is None:
        # The two readings differ in the hour that the local clock repeats.
        first, second = (
            time.tz_localize(series.time_zone, ambiguous=daylight, nonexistent="NaT") for daylight in (True, False)
        )
        if first is pd.NaT:
            raise ConfigError(
                f"at={at} does not exist in {series.time_zone}, where clocks skip it: choose another time"
            )
        if first != second:
            raise ConfigError(f"at={at} occurs twice in {series.time_zone}: add a UTC offset, {first:%Y-%m-%dT%H:%M%z}")
        time = first
    return np.datetime64(time.tz_convert("UTC").tz_localize(None), "s")
