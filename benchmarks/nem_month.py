"""A month of AEMO's tables as a market with real vintages: DISPATCHPRICE and PREDISPATCHPRICE in Parquet files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from battery_lab.common.errors import DataError
from battery_lab.market.forecasts.forecast_vintages import ForecastVintages
from battery_lab.market.market_series import MarketSeries

UTC_OFFSET = np.timedelta64(10, "h")  # all stamps are UTC+10, all year
INTERVAL = np.timedelta64(5, "m")
HALF_HOUR = np.timedelta64(30, "m")


def load_month(folder: Path, region: str) -> MarketSeries:
    """Return the five-minute prices of a region, with its predispatch vintages.

    A run is published when it was written (LASTCHANGED). Intervals are stamped by their end.

    Raises:
        DataError: a table or the region is missing.
    """
    price = _rows(folder, "PREDISPATCHPRICE", region), _rows(folder, "_DISPATCHPRICE", region)
    forecast, dispatch = price
    dispatch = dispatch.sort_values("SETTLEMENTDATE", ignore_index=True)
    start = pd.to_datetime(dispatch["SETTLEMENTDATE"]).to_numpy("datetime64[s]") - INTERVAL - UTC_OFFSET
    vintages = ForecastVintages.of(
        name="predispatch",
        quantity="price",
        published=forecast["LASTCHANGED"].to_numpy("datetime64[s]") - UTC_OFFSET,
        start=forecast["DATETIME"].to_numpy("datetime64[s]") - HALF_HOUR - UTC_OFFSET,
        value=forecast["RRP"].to_numpy(),
        step_h=0.5,
        run=forecast["PREDISPATCHSEQNO"].to_numpy(),
    )
    return MarketSeries(
        name=region,
        currency="AUD",
        time_zone="Etc/GMT-10",
        interval_h=1 / 12,
        start=start,
        price=dispatch["RRP"].to_numpy(np.float64),
        gap=np.zeros(len(dispatch), np.bool_),
        forecasts={vintages.name: vintages},
    )


def _rows(folder: Path, table: str, region: str) -> pd.DataFrame:
    files = sorted(folder.glob(f"*{table}*.parquet"))
    if len(files) != 1:
        raise DataError(f"{folder} must hold one Parquet file of {table.strip('_')}, and it holds {len(files)}")
    rows = pd.read_parquet(files[0])
    rows = rows[(rows["REGIONID"] == region) & (rows["INTERVENTION"] == 0)]
    if rows.empty:
        raise DataError(f"{files[0]} has no rows of region {region}: name another one")
    return rows
