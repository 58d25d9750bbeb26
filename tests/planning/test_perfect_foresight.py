"""Perfect foresight: correct by hand on small markets, equal to a MILP, and equal to its own replay."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import LinearConstraint, milp
from scipy.sparse import eye_array, hstack, vstack

from battery_lab.common.errors import ConfigError
from battery_lab.envs.battery.physics import Battery
from battery_lab.planning.hindsight_value import hindsight
from battery_lab.planning.perfect_foresight import plan
from tests.small_batteries_and_series import make_battery, wavy_prices

LOSSLESS = {"power_mw": 4.0, "capacity_mwh": 4.0, "soc_min": 0.0, "soc_max": 1.0, "soc_start": 0.0}


def lossless(**changes: float) -> Battery:
    return make_battery(**(LOSSLESS | {"round_trip_efficiency": 1.0} | changes))


def profit(price: np.ndarray, battery: Battery, interval_h: float, request_mw: np.ndarray) -> np.ndarray:
    """Return the profit of each interval, independently of the lab's accounts."""
    mwh = battery.run(request_mw, interval_h)[0] * interval_h
    return price * mwh - battery.wear_per_mwh * np.maximum(mwh, 0) - battery.grid_fee_per_mwh * np.maximum(-mwh, 0)


def milp_profit(price: np.ndarray, battery: Battery, interval_h: float) -> float:
    """Return the best profit by HiGHS, with a binary that forbids buying and selling at once."""
    rows, most = len(price), battery.power_mw * interval_h
    one, none = eye_array(rows), 0 * eye_array(rows)
    before = eye_array(rows, k=-1)
    kept = (1 - battery.self_discharge_per_day) ** (interval_h / 24)
    stores = hstack([-battery.charge_efficiency * one, one / battery.discharge_efficiency, one - kept * before, none])
    start = np.zeros(rows)
    start[0] = kept * battery.energy_start_mwh
    either = vstack([hstack([one, none, none, -most * one]), hstack([none, one, none, most * one])])
    costs = [price + battery.grid_fee_per_mwh, battery.wear_per_mwh - price, np.zeros(2 * rows)]
    limits = [(0.0, most), (0.0, most), (battery.energy_min_mwh, battery.energy_max_mwh), (0.0, 1.0)]
    low, high = (np.repeat([limit[side] for limit in limits], rows) for side in (0, 1))
    solved = milp(
        np.concatenate(costs),
        integrality=np.repeat([0, 0, 0, 1], rows),
        bounds=(low, high),
        constraints=[
            LinearConstraint(stores, start, start),
            LinearConstraint(either, -np.inf, np.repeat([0.0, most], rows)),
        ],
        options={"mip_rel_gap": 1e-5},
    )
    return -float(solved.fun)


def test_buys_before_every_rise_and_sells_before_every_fall() -> None:
    best = plan(np.array([10.0, 50, 10, 5000, 10]), lossless(), 1.0)
    np.testing.assert_allclose(best.request_mw, [-4, 4, -4, 4, 0])
    assert best.profit == pytest.approx(4 * 40 + 4 * 4990)


def test_sells_what_it_starts_with_because_energy_left_over_is_worth_nothing() -> None:
    best = plan(np.array([10.0, 20, 15]), lossless(soc_start=1.0), 1.0)
    np.testing.assert_allclose(best.request_mw, [0, 4, 0])


def test_is_paid_to_burn_energy_where_prices_are_negative() -> None:
    battery = lossless(round_trip_efficiency=0.5, charge_loss_share=1.0)
    best = plan(np.array([-100.0, -10, -100, -10, -100]), battery, 1.0)
    # 4 MW bought store 2 MWh, so the second fill is full; selling 2 MWh at -10 makes room for a third at -100.
    np.testing.assert_allclose(best.request_mw, [-4, 0, -4, 2, -4])
    assert best.profit == pytest.approx(1200 - 20)


def test_uses_part_power_where_that_is_all_that_fits() -> None:
    battery = lossless(capacity_mwh=6.0)
    best = plan(np.array([10.0, 20, 100, 0.0]), battery, 1.0)
    np.testing.assert_allclose(best.request_mw, [-4, 0, 4, 0])
    best = plan(np.array([10.0, 20, 100, 90.0]), battery, 1.0)
    np.testing.assert_allclose(best.request_mw, [-4, -2, 4, 2])


def test_holds_when_a_spread_does_not_pay_for_losses_wear_and_fees() -> None:
    price = np.array([50.0, 100.0])
    battery = lossless(round_trip_efficiency=0.8)
    spread = 0.8 * 100 - 50
    assert plan(price, battery, 1.0).profit > 0
    assert plan(price, lossless(round_trip_efficiency=0.45), 1.0).profit == 0
    assert plan(price, lossless(round_trip_efficiency=0.8, grid_fee_per_mwh=spread + 1), 1.0).profit == 0
    assert plan(price, lossless(round_trip_efficiency=0.8, wear_per_mwh=spread / 0.8 + 1), 1.0).profit == 0


def test_an_empty_period_has_no_profit() -> None:
    best = plan(np.array([]), make_battery(), 1 / 12)
    assert best.profit == 0
    assert best.request_mw.shape == (0,)


@pytest.mark.parametrize(
    ("days", "interval_h", "changes"),
    [
        (2, 1 / 12, {}),
        (7, 1.0, {}),
        (7, 1.0, {"wear_per_mwh": 10.0, "grid_fee_per_mwh": 5.0, "charge_loss_share": 0.0}),
        (7, 0.5, {"round_trip_efficiency": 0.77, "soc_start": 0.37}),
        (7, 1.0, {"power_mw": 1.0}),
        (7, 1.0, {"power_mw": 100.0, "capacity_mwh": 10.0}),
        (7, 1.0, {"power_mw": 4.0, "soc_min": 0.0, "self_discharge_per_day": 0.3}),
    ],
)
def test_agrees_with_a_milp_on_weeks_with_negative_prices(days: int, interval_h: float, changes: dict) -> None:
    price, battery = wavy_prices(days, seed=3, intervals_per_day=round(24 / interval_h)), make_battery(**changes)
    assert np.mean(price < 0) > 0.05
    assert plan(price, battery, interval_h).profit == pytest.approx(milp_profit(price, battery, interval_h), rel=1e-3)


@st.composite
def batteries(draw: st.DrawFn) -> Battery:
    low, high = draw(st.sampled_from([(0.0, 1.0), (0.1, 0.9), (0.23, 0.71)]))
    return make_battery(
        power_mw=draw(st.floats(1, 100)),
        capacity_mwh=draw(st.floats(1, 100)),
        soc_min=low,
        soc_max=high,
        soc_start=low + draw(st.sampled_from([0.0, 0.3, 0.5, 1.0])) * (high - low),
        round_trip_efficiency=draw(st.floats(0.3, 1)),
        charge_loss_share=draw(st.sampled_from([0.0, 0.5, 1.0])),
        wear_per_mwh=draw(st.sampled_from([0.0, 10.0])),
        grid_fee_per_mwh=draw(st.sampled_from([0.0, 7.0])),
    )


prices = st.lists(st.floats(-1000, 17500), min_size=1, max_size=30).map(np.array)
intervals = st.sampled_from([1 / 12, 0.5, 1.0])


@settings(max_examples=40)
@given(batteries(), prices, intervals)
def test_a_replay_of_the_schedule_earns_the_value_of_the_start(
    battery: Battery, price: np.ndarray, interval_h: float
) -> None:
    best = plan(price, battery, interval_h)
    np.testing.assert_allclose(battery.run(best.request_mw, interval_h)[0], best.request_mw, rtol=1e-6, atol=1e-9)
    assert best.profit == pytest.approx(profit(price, battery, interval_h, best.request_mw).sum(), rel=1e-9, abs=1e-6)
    value = hindsight(price, battery, interval_h)
    promised = float(value.at(np.array([0]), np.array([battery.energy_start_mwh]))[0])
    assert best.profit == pytest.approx(promised, rel=1e-6, abs=1e-3)


def test_self_discharge_costs_a_little_and_a_replay_earns_the_same_profit() -> None:
    price = wavy_prices(14)
    battery = make_battery(self_discharge_per_day=0.03)
    best, without = plan(price, battery, 1 / 12), plan(price, make_battery(), 1 / 12)
    assert best.profit == pytest.approx(profit(price, battery, 1 / 12, best.request_mw).sum(), rel=1e-9)
    assert 0.95 * without.profit < best.profit < without.profit


def test_wear_reduces_cycling() -> None:
    price = wavy_prices(14)
    sold = [
        np.maximum(plan(price, make_battery(wear_per_mwh=wear), 1 / 12).request_mw, 0).sum()
        for wear in (0.0, 20.0, 80.0)
    ]
    assert sold[0] > 1.1 * sold[1] > 1.1 * sold[2] > 0


def test_a_battery_too_slow_for_any_grid_is_rejected() -> None:
    with pytest.raises(ConfigError, match=r"battery\.power_mw must move at least .* got 0\.001"):
        plan(np.zeros(3), make_battery(power_mw=0.001), 1 / 12)
