"""Market series: slices, the local clock, and prices beyond floor and cap."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tests.small_batteries_and_series import make_series

SERIES = make_series(
    [1.0, 2.0, 3.0, 4.0],
    interval_h=0.5,
    columns={"demand_mw": np.arange(4.0), "price_forecast": np.ones(4)},
    lead_h={"price_forecast": 24.0},
    gap=np.array([False, True, False, False]),
)


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
