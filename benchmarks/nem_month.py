"""A month of AEMO's tables as a market with real vintages: DISPATCHPRICE and PREDISPATCHPRICE in one folder."""

from __future__ import annotations

from pathlib import Path

from battery_lab.market.market_series import MarketSeries
from benchmarks.market_fit import option


def load_month(folder: Path, region: str) -> MarketSeries:
    """Return the five-minute prices of a region, with its predispatch vintages; gaps are errors.

    Raises:
        DataError: a table or the region is missing, or the table of prices has gaps.
    """
    series: MarketSeries = option(
        "market",
        "nemweb",
        path=str(folder / "*DVD_DISPATCHPRICE*"),
        region=region,
        forecasts={"predispatch": {"format": "aemo_predispatch", "path": str(folder / "*DVD_PREDISPATCHPRICE*")}},
        cache=None,
    ).load()
    return series
