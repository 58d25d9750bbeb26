"""Price quality: what a series of prices has of gaps, repeats, clock changes and extremes, as plain values."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from battery_lab.market.file_formats.rows_with_source import Rows
from battery_lab.market.intervals.price_plausibility import Range
from battery_lab.market.market_series import MarketSeries

LISTED = 10
QUANTILES = (1, 5, 25, 50, 75, 95, 99)


def series_quality(series: MarketSeries, limits: Range | None = None) -> dict[str, Any]:
    """Return figures on a series, as JSON takes them. Times are local with their UTC offset.

    Prices that are missing count in no figure on prices.

    Args:
        series: the series.
        limits: the floor and the cap at its time, numbers or (T,); None: those of the series.
    """
    missing = series.gap | series.is_filled
    price, local = series.price[~missing], series.local_start
    floor, cap = limits or (series.price_floor, series.price_cap)
    length, flat = _longest_run((np.diff(series.price) == 0) & ~missing[1:])
    return {
        "name": series.name,
        "currency": series.currency,
        "time_zone": series.time_zone,
        "interval_minutes": round(60 * series.interval_h, 6),
        "intervals": len(series),
        "days": round(series.days, 3),
        "days_with_prices": round(float((~series.gap).sum()) / series.intervals_per_day, 3),
        "first_interval": local[0].isoformat(),
        "last_interval": local[-1].isoformat(),
        "missing_intervals": int(missing.sum()),
        "filled_intervals": int(series.is_filled.sum()),
        "gap_intervals": int(series.gap.sum()),
        "share_missing": round(float(missing.mean()), 6),
        "gaps": _gaps(series, missing),
        "clock_changes": _clock_changes(local),
        "longest_unchanged_price": {
            "hours": round((length + 1) * series.interval_h, 6),
            "from": local[flat].isoformat(),
            "price": float(series.price[flat]),
        },
        "share_negative": round(float((price < 0).mean()), 6),
        "share_zero": round(float((price == 0).mean()), 6),
        "price_floor": series.price_floor,
        "price_cap": series.price_cap,
        "limits_by_time": None if limits is None else [round(float(f(limits[1])), 1) for f in (np.min, np.max)],
        "at_or_below_floor": None if floor is None else int(((series.price <= floor) & ~missing).sum()),
        "at_or_above_cap": None if cap is None else int(((series.price >= cap) & ~missing).sum()),
        "beyond_floor_and_cap": series.beyond_limits,
        "years": _years(series, missing),
        "digest": series.digest,
        "columns": {name: series.lead_h.get(name) for name in series.columns},
        "notes": list(series.notes),
    }


def rows_quality(rows: Rows) -> dict[str, Any]:
    """Return what stands in the way of a series in rows that are not one: repeats, order, empty prices."""
    frame = pd.DataFrame({"utc": rows.utc, "price": rows.frame["price"].to_numpy(np.float64)})
    repeated = frame["utc"].duplicated(keep="first")
    identical = frame.duplicated(keep="first")
    price = frame["price"].dropna()
    return {
        "rows": len(frame),
        "repeated_intervals": int(repeated.sum()),
        "repeats_with_another_price": int((repeated & ~identical).sum()),
        "repeated_where": [_where(rows, int(i)) for i in np.flatnonzero(repeated)[:LISTED]],
        "steps_back_in_time": int((np.diff(rows.utc) < np.timedelta64(0, "s")).sum()),
        "empty_prices": int(frame["price"].isna().sum()),
        "lowest_price": float(price.min()) if len(price) else None,
        "highest_price": float(price.max()) if len(price) else None,
    }


def _where(rows: Rows, i: int) -> str:
    return f"{rows.stamp(i)} in row {rows.row(i)} of {rows.file(i).name}"


def _longest_run(mask: NDArray[np.bool_]) -> tuple[int, int]:
    """Return the length of the longest run of True, and where it begins."""
    edges = np.flatnonzero(np.diff(mask, prepend=False, append=False))
    lengths = edges[1::2] - edges[::2]
    return (int(lengths.max()), int(edges[::2][lengths.argmax()])) if len(lengths) else (0, 0)


def _gaps(series: MarketSeries, missing: NDArray[np.bool_]) -> dict[str, Any]:
    edges = np.flatnonzero(np.diff(missing, prepend=False, append=False))
    first, length_h = edges[::2], (edges[1::2] - edges[::2]) * series.interval_h
    largest = np.argsort(-length_h, kind="stable")[:LISTED]
    listed = [
        {"from": series.local_start[first[i]].isoformat(), "hours": round(float(length_h[i]), 6)} for i in largest
    ]
    return {"count": len(first), "longest_hours": listed[0]["hours"] if listed else 0.0, "longest": listed}


def _clock_changes(local: pd.DatetimeIndex) -> dict[str, Sequence[str]]:
    """Return the days on which the local clock skips or repeats an hour, within the series."""
    offsets = (local.tz_localize(None) - local.tz_convert("UTC").tz_localize(None)).to_numpy("timedelta64[m]")
    change = np.flatnonzero(np.diff(offsets)) + 1
    forward = offsets[change] > offsets[change - 1]
    days = [f"{local[i]:%Y-%m-%d}" for i in change]
    return {
        "skipped_hour": [day for day, skips in zip(days, forward, strict=True) if skips],
        "repeated_hour": [day for day, skips in zip(days, forward, strict=True) if not skips],
    }


def _years(series: MarketSeries, missing: NDArray[np.bool_]) -> dict[str, dict[str, float]]:
    year, years = np.asarray(series.local_start.year), {}
    for number in np.unique(year[~missing]):
        price = series.price[(year == number) & ~missing]
        figures = {"mean": price.mean(), "std": price.std(), "min": price.min(), "max": price.max()}
        figures |= {f"p{level}": np.percentile(price, level) for level in QUANTILES}
        days = len(price) / series.intervals_per_day
        years[str(number)] = {name: round(float(value), 4) for name, value in {"days": days, **figures}.items()}
    return years
