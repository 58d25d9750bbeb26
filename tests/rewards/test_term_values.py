"""Each term against numbers worked out by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from battery_lab.common.errors import ConfigError
from battery_lab.planning import hindsight_value, perfect_foresight
from battery_lab.rewards.cycle_cost import CycleCost
from battery_lab.rewards.grid_fee import GridFee
from battery_lab.rewards.potential import Potential
from battery_lab.rewards.regret import Regret
from battery_lab.rewards.revenue import Revenue
from battery_lab.rewards.soc_limit import SocLimit
from battery_lab.rewards.undelivered_energy import UndeliveredEnergy
from battery_lab.rewards.wear import Wear
from tests.rewards.contexts_and_transitions import TableValue, dispatch, make_context, random_dispatch
from tests.small_batteries_and_series import make_battery, wavy_prices

# 10 MW, 40 MWh, soc 0.1 to 0.9: stored energy from 4 to 36 MWh.
LOSSLESS = make_battery(round_trip_efficiency=1.0, wear_per_mwh=4.0, grid_fee_per_mwh=3.0)


def test_revenue_wear_and_fee_of_selling_and_buying() -> None:
    context = make_context([50.0, -20.0], LOSSLESS)
    done = dispatch(context, [0, 1, 0, 1], [20, 20, 20, 20], [10, -5, -5, 10])
    assert Revenue(weight=1.0).bind(context)(done) == pytest.approx([500, 100, -250, -200])
    assert Wear(weight=1.0).bind(context)(done) == pytest.approx([-40, 0, 0, -40])
    assert GridFee(weight=1.0).bind(context)(done) == pytest.approx([0, -15, -15, 0])


@pytest.mark.parametrize(
    ("shape", "expected"),
    [("ramp", [-6.0, -4.5, 0.0, 0.0, -3.0, -6.0]), ("step", [-6.0, -6.0, -6.0, 0.0, -6.0, -6.0])],
)
def test_soc_limit_uses_the_soc_at_the_end_of_the_interval(shape: str, expected: list[float]) -> None:
    # Half-hour intervals at 12 per hour: 6 at a limit. The margin of 0.1 is 4 MWh.
    context = make_context([50.0], LOSSLESS, interval_h=0.5)
    term = SocLimit(weight=1.0, shape=shape, margin_soc=0.1, price_per_h=12.0).bind(context)
    ends = dispatch(context, [0] * 6, [9, 5, 13, 20, 29, 34], [10, 0, 10, 10, -10, -10])
    assert ends.energy_after_mwh == pytest.approx([4, 5, 8, 15, 34, 36])
    assert term(ends) == pytest.approx(expected)


def test_step_without_margin_applies_at_the_limits_only() -> None:
    context = make_context([50.0], make_battery(self_discharge_per_day=0.5))
    term = SocLimit(weight=1.0, shape="step", margin_soc=0.0, price_per_h=7.0).bind(context)
    done = dispatch(context, [0] * 3, [4.0, 5.0, 30.0], [0, 0, -10])
    assert done.energy_after_mwh[0] < 4.0, "self-discharge takes the energy below its floor"
    assert term(done) == pytest.approx([-7, 0, -7])


def test_step_margin_includes_its_edge_despite_rounding() -> None:
    context = make_context([50.0], LOSSLESS)
    term = SocLimit(weight=1.0, shape="step", margin_soc=0.1, price_per_h=7.0).bind(context)
    assert term(dispatch(context, [0] * 3, [8 + 1e-10, 32 - 1e-10, 8.001], [0] * 3)) == pytest.approx([-7, -7, 0])


def test_ramp_below_the_floor_equals_the_ramp_at_the_floor() -> None:
    context = make_context([50.0], make_battery(self_discharge_per_day=0.9))
    term = SocLimit(weight=1.0, shape="ramp", margin_soc=0.1, price_per_h=7.0).bind(context)
    done = dispatch(context, 0, 3.0, 0)
    assert done.energy_after_mwh[0] < 3.0
    assert term(done) == pytest.approx([-7])


def test_undelivered_counts_soc_limits_and_power_limit() -> None:
    context = make_context([50.0], LOSSLESS)
    done = dispatch(context, [0] * 4, [10, 20, 33, 20], [10, 14, -10, -10])
    assert done.power_mw == pytest.approx([6, 10, -3, -10])
    term = UndeliveredEnergy(weight=1.0, price_per_mwh=2.0).bind(context)
    assert term(done) == pytest.approx([-8, -8, -14, 0])


def test_full_cycle_costs_its_price() -> None:
    battery = make_battery(soc_min=0.0, soc_max=1.0, round_trip_efficiency=0.64, capacity_mwh=40.0)
    context = make_context([50.0], battery)
    term = CycleCost(weight=1.0, price_per_cycle=80.0).bind(context)
    # 8 MWh sold take 10 MWh from storage, a quarter of 40.
    assert term(dispatch(context, [0, 0], [30, 30], [8, -8])) == pytest.approx([-20, 0])


def test_potential_values_stored_energy_at_the_mean_price() -> None:
    battery = make_battery(round_trip_efficiency=0.64, wear_per_mwh=5.0)
    context = make_context([10.0, 20.0, 60.0, -30.0], battery)
    term = Potential(weight=1.0, gamma=0.5, window_days=2 / 24).bind(context)
    done = dispatch(context, [1, 2, 3], [14, 14, 14], [8, -10, 0])
    assert done.energy_after_mwh == pytest.approx([4, 22, 14])
    # phi = (energy - 4) x 0.8 x (mean - 5): at row 1 mean 10, row 2 mean 15, row 3 mean 40, row 4 mean 15.
    expected = [0.5 * 0 - 10 * 0.8 * 5, 0.5 * 18 * 0.8 * 35 - 10 * 0.8 * 10, 0.5 * 10 * 0.8 * 10 - 10 * 0.8 * 35]
    assert term(done) == pytest.approx(expected)


@pytest.mark.parametrize("self_discharge", [0.0, 0.5])
@pytest.mark.parametrize("end", [5, 8])
def test_potential_telescopes_over_a_gap_in_which_the_battery_is_idle(self_discharge: float, end: int) -> None:
    battery = make_battery(round_trip_efficiency=0.64, wear_per_mwh=5.0, self_discharge_per_day=self_discharge)
    price, gap = [10.0, 90.0, 60.0, 60.0, 60.0, 20.0, 40.0, 30.0], np.zeros(8, np.bool_)
    gap[3:end] = True
    context = make_context(price, battery, gap=gap)
    term = Potential(weight=1.0, gamma=1.0, window_days=2 / 24).bind(context)
    energy, total = np.array([10.0, 30.0]), np.zeros(2)
    for row in range(8):
        request = 0.0 if gap[row] else (-1) ** row * 3.0
        done = dispatch(context, [row, row], energy, [request, request])
        total += 0.0 if gap[row] else term(done)
        energy = done.energy_after_mwh
    # phi = (energy - 4) x 0.8 x (mean - 5): 0 at row 0, which has no mean, and the mean of 40 and 30 at the end.
    assert total == pytest.approx((energy - 4) * 0.8 * (35 - 5))


def test_potential_is_never_negative() -> None:
    context = make_context([-50.0, -50.0, -50.0], LOSSLESS)
    term = Potential(weight=1.0, gamma=0.9, window_days=1.0).bind(context)
    assert term(dispatch(context, [1, 2], [20, 20], [-10, 10])) == pytest.approx([0, 0])


def test_regret_is_profit_plus_the_change_of_value() -> None:
    battery = make_battery(power_mw=1.0, capacity_mwh=2.0, soc_min=0.0, soc_max=1.0, round_trip_efficiency=1.0)
    value = TableValue([[100, 150, 190], [90, 140, 170], [0, 7, 9]])
    context = make_context([50.0, 20.0], battery, value=value)
    done = dispatch(context, [0, 0, 1], [1, 1, 2], [1, -1, 1])
    assert Regret(weight=1.0).bind(context)(done) == pytest.approx([50 + 90 - 150, -50 + 170 - 150, 20 + 7 - 170])


def test_regret_is_zero_on_the_optimal_path_and_negative_elsewhere() -> None:
    battery = make_battery(wear_per_mwh=10.0, grid_fee_per_mwh=2.0)
    price = wavy_prices(20, seed=3)
    value = hindsight_value.hindsight(price, battery, 1 / 12)
    context = make_context(price, battery, interval_h=1 / 12, value=value)
    regret = Regret(weight=1.0).bind(context)
    best = perfect_foresight.plan(price, battery, 1 / 12).request_mw
    _, stored = battery.run(best, 1 / 12)
    along = regret(dispatch(context, np.arange(len(price)), stored[:-1], best))
    off = regret(random_dispatch(context, 5000, seed=1))
    full_power_at_100 = 100 * 10 / 12
    assert abs(along.sum()) < full_power_at_100
    assert off.max() < 0.02 * full_power_at_100
    assert off.mean() < -0.05 * full_power_at_100


def test_terms_that_use_the_next_row_support_the_last_row_and_none_after_it() -> None:
    context = make_context([10.0, 20.0], LOSSLESS, value=TableValue(np.zeros((3, 41))))
    last, beyond = dispatch(context, 1, 20, 0), dispatch(context, 1, 20, 0)
    beyond.row[0] = 2
    for term in (Potential(weight=1.0, gamma=0.9, window_days=1.0), Regret(weight=1.0)):
        assert np.isfinite(term.bind(context)(last)).all()
        with pytest.raises(IndexError):
            term.bind(context)(beyond)


SOC_LIMIT = {"weight": 1.0, "shape": "ramp", "margin_soc": 0.05, "price_per_h": 60.0}
POTENTIAL = {"weight": 1.0, "gamma": 0.99, "window_days": 7.0}


@pytest.mark.parametrize(
    ("term", "values", "field"),
    [
        (Revenue, {"weight": float("nan")}, "reward.terms.revenue.weight"),
        (Wear, {"weight": "1"}, "reward.terms.wear.weight"),
        (GridFee, {"weight": None}, "reward.terms.grid_fee.weight"),
        (Regret, {"weight": True}, "reward.terms.regret.weight"),
        (SocLimit, SOC_LIMIT | {"weight": float("inf")}, "reward.terms.soc_limit.weight"),
        (SocLimit, SOC_LIMIT | {"shape": "cliff"}, "reward.terms.soc_limit.shape"),
        (SocLimit, SOC_LIMIT | {"margin_soc": 0.0}, "reward.terms.soc_limit.margin_soc"),
        (SocLimit, SOC_LIMIT | {"margin_soc": -0.1}, "reward.terms.soc_limit.margin_soc"),
        (SocLimit, SOC_LIMIT | {"margin_soc": 1.0}, "reward.terms.soc_limit.margin_soc"),
        (SocLimit, SOC_LIMIT | {"price_per_h": -1.0}, "reward.terms.soc_limit.price_per_h"),
        (UndeliveredEnergy, {"weight": 1.0, "price_per_mwh": -1.0}, "reward.terms.undelivered.price_per_mwh"),
        (UndeliveredEnergy, {"weight": 1.0, "price_per_mwh": float("inf")}, "reward.terms.undelivered.price_per_mwh"),
        (CycleCost, {"weight": 1.0, "price_per_cycle": -1.0}, "reward.terms.cycle_cost.price_per_cycle"),
        (Potential, POTENTIAL | {"gamma": 0.0}, "reward.terms.potential.gamma"),
        (Potential, POTENTIAL | {"gamma": 1.01}, "reward.terms.potential.gamma"),
        (Potential, POTENTIAL | {"window_days": 0.0}, "reward.terms.potential.window_days"),
        (Potential, POTENTIAL | {"window_days": float("nan")}, "reward.terms.potential.window_days"),
    ],
)
def test_invalid_number_names_the_field_and_the_value(term: Any, values: dict[str, Any], field: str) -> None:
    with pytest.raises(ConfigError) as error:
        term(**values)
    assert str(error.value).startswith(f"{field} must be ")
    assert str(error.value).endswith(f"got {values[field.rsplit('.', 1)[1]]!r}")
