"""Market series: slices, digests and the local clock."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from battery_lab.market.daily_publication import DailyPublication
from battery_lab.market.forecast_vintages import ForecastVintages
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


def test_rows_slices_all_arrays():
    cut = SERIES.rows(1, 3)
    assert (len(cut), cut.price.tolist(), cut.gap.tolist()) == (2, [2, 3], [True, False])
    assert cut.start.tolist() == SERIES.start[1:3].tolist()
    assert cut.columns["demand_mw"].tolist() == [1, 2]
    assert cut.lead_h == SERIES.lead_h


def test_hour_and_weekday_follow_the_local_clock():
    series = make_series(np.zeros(3), interval_h=0.25, start="2024-06-30T22:15", time_zone="Europe/Berlin")
    assert series.hour.tolist() == [0.25, 0.5, 0.75]
    assert series.weekday.tolist() == [0, 0, 0]
    assert make_series(np.zeros(36), interval_h=0.5).days == 0.75


@pytest.mark.parametrize(
    ("floor", "cap", "beyond"), [(None, None, 0), (-5.0, None, 1), (None, 90.0, 2), (-10.0, 95.0, 1)]
)
def test_prices_beyond_floor_and_cap_are_counted_and_no_error(floor, cap, beyond):
    series = make_series(np.array([-10.0, -5.0, 0.0, 90.0, 95.0, 100.0]))
    limited = replace(series, price_floor=floor, price_cap=cap)
    assert limited.beyond_limits == beyond
    assert limited.digest == series.digest  # a newer cap makes no other data
