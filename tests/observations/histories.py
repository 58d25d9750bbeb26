"""Histories without scaling, so that tests can state the values of features."""

from __future__ import annotations

import numpy as np

from battery_lab.market.market_series import MarketSeries
from battery_lab.observations.column_scale import ColumnScale
from battery_lab.observations.market_history import History
from tests.small_batteries_and_series import make_series

UNSCALED = ColumnScale(squash=0.0, mean=0.0, std=1.0)


def unscaled(series: MarketSeries, price_lag: int = 0) -> History:
    """Return the history of a series with values as they are."""
    return History(series, price_lag, {name: UNSCALED for name in ("price", *series.columns)})


def hourly(prices, price_lag: int = 0, **columns) -> History:
    """Return an unscaled history of hourly prices; ``price_forecast`` is published 24 hours ahead."""
    lead_h = {"price_forecast": 24.0} if "price_forecast" in columns else {}
    arrays = {name: np.asarray(values, float) for name, values in columns.items()}
    return unscaled(make_series(prices, interval_h=1.0, columns=arrays, lead_h=lead_h), price_lag)
