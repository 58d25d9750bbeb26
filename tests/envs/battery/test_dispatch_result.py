"""Dispatch result: the rows and metrics of a policy that ran through a period."""

from __future__ import annotations

import numpy as np
import pytest

from battery_lab.envs.battery.dispatch_problem import DispatchProblem
from battery_lab.envs.battery.dispatch_result import Dispatch
from tests.small_batteries_and_series import make_battery, make_series

BATTERY = make_battery(round_trip_efficiency=0.64, wear_per_mwh=2.0, grid_fee_per_mwh=1.0)


@pytest.fixture
def dispatch():
    """Ten of 12 hours: sells 9.6 MW at 50 from 20 MWh stored, buys 5 MW at 20, then holds."""
    price = [0.0, 0.0, 50.0, 20.0, *[30.0] * 8]
    problem = DispatchProblem(
        series=make_series(price, 1.0), battery=BATTERY, first=2, end=12, train_end=1, price_lag=0
    )
    return Dispatch.replay(problem, np.array([9.6, -5.0, *[0.0] * 8]))


def test_each_row_shows_the_energy_at_the_start_of_its_interval(dispatch):
    frame = dispatch.frame()
    np.testing.assert_allclose(frame.energy_mwh[:4], [20, 8, 12, 12])
    np.testing.assert_allclose(frame.soc, frame.energy_mwh / 40)
    np.testing.assert_allclose(dispatch.transition.energy_after_mwh[:3], [8, 12, 12])


def test_rows_prices_and_times_are_those_of_the_dispatched_stretch(dispatch):
    frame = dispatch.frame()
    assert dispatch.transition.row.tolist() == list(range(2, 12))
    assert frame.price[:3].tolist() == [50, 20, 30]
    assert frame.start[0].isoformat() == "2024-01-01T02:00:00+00:00"
    assert frame.local_start[0].isoformat() == "2024-01-01T12:00:00+10:00"


def test_money_and_cycles_are_per_day(dispatch):
    metrics, days = dispatch.metrics(), 10 / 24
    revenue = 50 * 9.6 - 20 * 5
    assert metrics["revenue_per_day"] == pytest.approx(revenue / days)
    assert metrics["profit_per_day"] == pytest.approx((revenue - 2 * 9.6 - 1 * 5) / days)
    # 9.6 MWh sold take 12 MWh from a store of 40.
    assert metrics["equivalent_full_cycles_per_day"] == pytest.approx(12 / 40 / days)
