"""Interval lookup: the row of the interval that a user names by its time, and errors where it cannot be bid for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

import numpy as np
import pandas as pd

from battery_lab.common.errors import ConfigError, DataError, require
from battery_lab.market.market_series import MarketSeries

# A forecast is stale after this many times the usual time from run to run.
STALE_WAITS = 3
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


def refuse_unknown(observation: Mapping[str, float], series: MarketSeries, start: pd.Timestamp) -> None:
    """Raise DataError where numbers of an observation, by name, are not known before the interval that starts then."""
    unknown = [name for name, value in observation.items() if not np.isfinite(value)]
    if unknown:
        more = f" and {len(unknown) - 1} more" if len(unknown) > 1 else ""
        raise DataError(
            f"at={start}: the policy observes {unknown[0]!r}{more}, and market {series.name}, which ends at "
            f"{local_time(series, len(series))}, does not hold what is published for it: add files to market.path, or "
            "choose an earlier time"
        )


def refuse_stale(numbers: Sequence[str], series: MarketSeries, row: int) -> None:
    """Raise DataError if an observed forecast has had no new run for long before a row: features hide an old one.

    Args:
        numbers: names of the numbers of an observation, of which those of forecasts begin with the forecast's name.
        series: the market.
        row: the row, which may follow the last one.
    """
    observed = {name for number in numbers for name in number.split(" ")[0].split("/")}
    start = local_time(series, row)
    time = np.datetime64(start.tz_convert("UTC").tz_localize(None), "s")
    for name in observed & set(series.forecasts):
        known = series.forecasts[name]
        newest, longest_h = known.as_of(time), STALE_WAITS * known.usual_wait_h + known.latency_h
        if newest is None or newest.age_h > longest_h:
            age = "no run is published" if newest is None else f"the newest run is {newest.age_h:.3g} h old"
            raise DataError(
                f"at={start}: the policy observes the forecast {name}, of which {age}, and usually one is published "
                f"every {known.usual_wait_h:.3g} h: add newer files to market.forecasts, or choose an earlier time"
            )


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
