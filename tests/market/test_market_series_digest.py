"""Digest of a market series: changed by any difference of the data, and by nothing else."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from battery_lab.market.forecasts.daily_publication import DailyPublication
from battery_lab.market.forecasts.forecast_vintages import ForecastVintages
from tests.small_batteries_and_series import make_series

SERIES = make_series(
    [1.0, 2.0, 3.0, 4.0],
    interval_h=0.5,
    columns={"demand_mw": np.arange(4.0), "price_forecast": np.ones(4)},
    lead_h={"price_forecast": 24.0},
    gap=np.array([False, True, False, False]),
)
DAY_AHEAD = ForecastVintages.of(
    name="day_ahead", quantity="price", published=SERIES.start, start=SERIES.start, value=np.ones(4), step_h=1.0
)


@pytest.mark.parametrize(
    "change",
    [
        {"currency": "USD"},
        {"time_zone": "UTC"},
        {"interval_h": 1.0},
        {"start": SERIES.start + 1},
        {"price": SERIES.price + 1},
        {"gap": ~SERIES.gap},
        {"lead_h": {"price_forecast": 12.0}},
        {"columns": {**SERIES.columns, "demand_mw": np.ones(4)}},
        {"published": {"price": DailyPublication(765, "UTC")}},
        {"published": {"demand_mw": DailyPublication(765, "UTC")}},
        {"forecasts": {"day_ahead": DAY_AHEAD}},
        {"columns": {"demand": SERIES.columns["demand_mw"], "price_forecast": np.ones(4)}},
    ],
    ids=lambda change: next(iter(change)),
)
def test_any_difference_of_the_data_changes_the_digest(change):
    assert replace(SERIES, **change).digest != SERIES.digest


def test_digest_does_not_depend_on_the_order_of_columns():
    columns = dict(reversed(SERIES.columns.items()))
    assert replace(SERIES, price=SERIES.price.copy(), columns=columns).digest == SERIES.digest


def test_series_without_forecasts_have_the_digest_of_earlier_versions():
    assert SERIES.digest == "8d0ab178827a7e8d"


def test_digest_does_not_depend_on_the_name():
    assert replace(SERIES, name="OTHER").digest == SERIES.digest
