"""Prices through gridstatus: each answer as a table of interval starts and prices of one location."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from battery_lab.common.errors import ConfigError
from battery_lab.market.download.fetch_request import FetchRequest
from battery_lab.market.download.guarded_http import DownloadError
from battery_lab.market.download.library_call import call_library, import_library, key_of

START, PRICE = "interval_start", "price"  # columns of the files; currency per MWh
PRICE_COLUMNS = ("LMP", "SPP")


def download_prices(request: FetchRequest, key: str, first: date, last: date, part: Path) -> dict[str, Any]:
    """Download the prices of some days into a CSV file, one row per interval, stamped by its start in UTC.

    Args:
        request: what to download.
        key: the period that the file is named after.
        first: the first day.
        last: the last day, included.
        part: folder for the file.

    Returns:
        The facts of the entry: ``first``, ``last``, ``missing`` days, rows ``left_out``.

    Raises:
        LabError: it cannot be downloaded.
    """
    frame = _answer(request, first, last)
    prices = _of_location(frame, request)
    start = prices["Interval Start"]
    days = start.dt.tz_convert(request.operator.time_zone).dt.date
    prices = prices[(days >= first) & (days <= last)]
    prices = prices.drop_duplicates(ignore_index=True).sort_values("Interval Start", ignore_index=True)
    if prices.empty:
        raise DownloadError(f"no prices of {first} to {last} are in the answer")
    repeated = prices[prices["Interval Start"].duplicated()]
    if not repeated.empty:
        stamp = repeated["Interval Start"].iloc[0].tz_convert("UTC")
        raise DownloadError(f"the answer has 2 prices of the interval that starts at {stamp:%Y-%m-%dT%H:%M:%SZ}")
    regular = _on_grid(prices["Interval Start"])
    rows = prices[regular]
    utc = rows["Interval Start"].dt.tz_convert("UTC")
    table = pd.DataFrame({START: utc.dt.strftime("%Y-%m-%dT%H:%M:%SZ"), PRICE: rows["price"]})
    table.to_csv(part / f"{key}.csv", index=False)
    found = set(utc.dt.tz_convert(request.operator.time_zone).dt.date)
    wanted = (first + timedelta(days=i) for i in range((last - first).days + 1))
    missing = [day for day in wanted if day not in found]
    return {"first": first, "last": last, "missing": missing, "left_out": int((~regular).sum())}


def _answer(request: FetchRequest, first: date, last: date) -> pd.DataFrame:
    """Return gridstatus's table of some days."""
    operator, product = request.operator, request.product
    secret = key_of(operator.key_variable)
    library = import_library("gridstatus")
    method = getattr(getattr(library, operator.class_name)(), product.method)
    options = dict(product.arguments)
    if product.takes_location:
        options["locations"] = [request.location]
    if product.unit == "year":
        options["year"] = first.year
    else:
        # Without an end, gridstatus returns one day, and does not swallow errors.
        options["date"] = pd.Timestamp(first, tz=operator.time_zone)
        if last > first:
            options["end"] = pd.Timestamp(last + timedelta(days=1), tz=operator.time_zone)
    frame = call_library(lambda: method(**options), operator.hosts, secret)
    if not isinstance(frame, pd.DataFrame):
        raise DownloadError("the answer is no table")
    return frame


def _of_location(frame: pd.DataFrame, request: FetchRequest) -> pd.DataFrame:
    column = request.operator.location_column
    price = next((name for name in PRICE_COLUMNS if name in frame), None)
    if price is None or not {"Interval Start", column} <= set(frame.columns):
        names = ", ".join(map(str, frame.columns))
        raise DownloadError(f"the answer has no prices with their location, but the columns {names}")
    names = frame[column].astype(str).str.strip()
    chosen = frame[names == request.location]
    if chosen.empty and not frame.empty:
        some = sorted(set(names))
        more = f" and {len(some) - 20} others" if len(some) > 20 else ""
        raise ConfigError(
            f"location must be {request.operator.locations} of {request.operator.name}: {', '.join(some[:20])}{more}, "
            f"got {request.location!r}"
        )
    numbers = pd.to_numeric(chosen[price], errors="coerce").to_numpy(float)
    result = pd.DataFrame({"Interval Start": chosen["Interval Start"], "price": numbers})
    return result[np.isfinite(numbers)]


def _on_grid(start: pd.Series) -> pd.Series:
    """Return which stamps are on the grid of the most frequent step; some operators also price moments between."""
    if len(start) < 3:
        return pd.Series(True, index=start.index)
    utc = start.dt.tz_convert("UTC").dt.tz_localize(None).to_numpy("datetime64[s]").astype(np.int64)
    steps, counts = np.unique(np.diff(utc), return_counts=True)
    step = int(steps[np.argmax(counts)])
    return pd.Series(utc % max(step, 1) == 0, index=start.index)
