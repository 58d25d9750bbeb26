"""A series: cut by rows, told apart by its digest, on the local clock."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tests.factories import make_series

SERIES = make_series(
    [1.0, 2.0, 3.0, 4.0],
    interval_h=0.5,
    columns={"demand_mw": np.arange(4.0), "price_forecast": np.ones(4)},
    lead_h={"price_forecast": 24.0},
    gap=np.array([False, True, False, False]),
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
        {"columns": {"demand": SERIES.columns["demand_mw"], "price_forecast": np.ones(4)}},
    ],
    ids=lambda change: next(iter(change)),
)
def test_whatever_the_data_differ_in_gives_another_digest(change):
    assert replace(SERIES, **change).digest != SERIES.digest


def test_equal_series_have_equal_digests_whatever_the_order_of_their_columns():
    columns = dict(reversed(SERIES.columns.items()))
    assert replace(SERIES, price=SERIES.price.copy(), columns=columns).digest == SERIES.digest


def test_the_same_data_by_another_name_have_the_same_digest():
    # A file that somebody renamed is what a run has learned from all the same.
    assert replace(SERIES, name="OTHER").digest == SERIES.digest


def test_rows_cut_everything_alike():
    cut = SERIES.rows(1, 3)
    assert (len(cut), cut.price.tolist(), cut.gap.tolist()) == (2, [2, 3], [True, False])
    assert cut.start.tolist() == SERIES.start[1:3].tolist()
    assert cut.columns["demand_mw"].tolist() == [1, 2]
    assert cut.lead_h == SERIES.lead_h


def test_hours_and_days_are_those_of_the_local_clock():
    series = make_series(np.zeros(3), interval_h=0.25, start="2024-06-30T22:15", time_zone="Europe/Berlin")
    assert series.hour.tolist() == [0.25, 0.5, 0.75]
    assert series.weekday.tolist() == [0, 0, 0]
    assert make_series(np.zeros(36), interval_h=0.5).days == 0.75
