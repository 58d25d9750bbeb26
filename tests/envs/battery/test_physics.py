"""Battery physics: energy balance, limits and partial delivery."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from battery_lab.common.errors import ConfigError
from battery_lab.envs.battery.physics import Battery
from tests.small_batteries_and_series import make_battery

INTERVALS_H = (1 / 12, 0.25, 0.5, 1.0)


@st.composite
def batteries(draw: st.DrawFn) -> Battery:
    low, high = sorted(
        draw(st.tuples(st.floats(0, 0.95), st.floats(0.05, 1)).filter(lambda x: abs(x[0] - x[1]) > 0.01))
    )
    return make_battery(
        power_mw=draw(st.floats(0.01, 500)),
        capacity_mwh=draw(st.floats(0.01, 500)),
        soc_min=low,
        soc_max=high,
        soc_start=min(max(low + draw(st.floats(0, 1)) * (high - low), low), high),
        round_trip_efficiency=draw(st.floats(0.05, 1)),
        charge_loss_share=draw(st.floats(0, 1)),
        self_discharge_per_day=draw(st.sampled_from([0.0, 0.01, 0.3, 0.99])),
    )


requests = st.lists(st.floats(-2000, 2000).map(lambda mw: round(mw, 6)), min_size=1, max_size=50).map(np.array)
intervals = st.sampled_from(INTERVALS_H)


@given(batteries(), requests, intervals)
def test_energy_balances_in_every_interval(battery: Battery, request: np.ndarray, interval_h: float) -> None:
    power, energy = battery.run(request, interval_h)
    kept = energy[:-1] * (1 - battery.self_discharge_per_day) ** (interval_h / 24)
    charged = np.maximum(-power, 0) * interval_h * battery.charge_efficiency
    discharged = np.maximum(power, 0) * interval_h / battery.discharge_efficiency
    np.testing.assert_allclose(energy[1:], kept + charged - discharged, rtol=0, atol=1e-9 * battery.capacity_mwh)


@given(batteries(), requests, intervals)
def test_the_store_never_overshoots_its_limits(battery: Battery, request: np.ndarray, interval_h: float) -> None:
    power, energy = battery.run(request, interval_h)
    assert np.all(energy <= battery.energy_max_mwh)
    below = energy[1:] < battery.energy_min_mwh
    assert np.all(power[below] <= 0), "only self-discharge goes below the minimum"
    if battery.self_discharge_per_day == 0:
        assert not below.any()


@given(batteries(), requests, intervals)
def test_delivery_never_exceeds_the_request_or_rated_power(
    battery: Battery, request: np.ndarray, interval_h: float
) -> None:
    power, _ = battery.run(request, interval_h)
    assert np.all(power * request >= 0), "never against the request"
    most = np.minimum(np.abs(request), battery.power_mw)
    assert np.all(np.abs(power) <= most * (1 + 1e-12))


@given(batteries(), requests, intervals)
def test_only_a_limit_reduces_a_request(battery: Battery, request: np.ndarray, interval_h: float) -> None:
    power, energy = battery.run(request, interval_h)
    cut = np.abs(power) < np.minimum(np.abs(request), battery.power_mw) * (1 - 1e-9)
    kept = energy[:-1] * (1 - battery.self_discharge_per_day) ** (interval_h / 24)
    selling, buying = cut & (request > 0), cut & (request < 0)
    np.testing.assert_array_equal(energy[1:][buying], battery.energy_max_mwh)
    np.testing.assert_allclose(energy[1:][selling], np.minimum(kept, battery.energy_min_mwh)[selling], rtol=1e-12)


@given(batteries(), requests, intervals)
def test_many_batteries_step_like_one(battery: Battery, request: np.ndarray, interval_h: float) -> None:
    power, energy = battery.run(request, interval_h)
    stepped_power, stepped_energy = battery.step(energy[:-1], request, interval_h)
    np.testing.assert_array_equal(stepped_power, power)
    np.testing.assert_array_equal(stepped_energy, energy[1:])


@given(st.floats(0.05, 1), st.floats(0, 1))
def test_both_efficiencies_multiply_to_the_round_trip(efficiency: float, share: float) -> None:
    battery = make_battery(round_trip_efficiency=efficiency, charge_loss_share=share)
    assert battery.charge_efficiency * battery.discharge_efficiency == pytest.approx(efficiency, rel=1e-12)
    assert efficiency * (1 - 1e-12) <= battery.charge_efficiency <= 1


def test_an_hour_of_charging_and_one_of_discharging_with_split_losses() -> None:
    power, energy = make_battery(round_trip_efficiency=0.81).run(np.array([-10.0, 9.0]), 1.0)
    np.testing.assert_allclose(power, [-10, 9])
    np.testing.assert_allclose(energy, [20, 29, 19])


def test_all_loss_on_one_side() -> None:
    on_charging = make_battery(round_trip_efficiency=0.5, charge_loss_share=1.0)
    on_discharging = make_battery(round_trip_efficiency=0.5, charge_loss_share=0.0)
    request = np.array([-10.0, 5.0])
    np.testing.assert_allclose(on_charging.run(request, 1.0)[1], [20, 25, 20])
    np.testing.assert_allclose(on_discharging.run(request, 1.0)[1], [20, 30, 20])


def test_charge_stops_at_soc_max_and_discharge_at_soc_min() -> None:
    battery = make_battery(round_trip_efficiency=1.0)
    power, energy = battery.step(np.array([34.0, 7.0]), np.array([-10.0, 10.0]), 1.0)
    np.testing.assert_allclose(power, [-2, 3])
    np.testing.assert_allclose(energy, [36, 4])


def test_an_idle_day_loses_the_daily_self_discharge() -> None:
    battery = make_battery(self_discharge_per_day=0.05)
    _, energy = battery.run(np.zeros(288), 1 / 12)
    assert energy[-1] == pytest.approx(0.95 * 20, rel=1e-12)


def test_a_store_below_its_minimum_sells_nothing_and_can_charge() -> None:
    battery = make_battery(self_discharge_per_day=0.5, soc_start=0.1, round_trip_efficiency=1.0)
    power, energy = battery.run(np.array([10.0, -10.0]), 24.0)
    np.testing.assert_allclose(power[0], 0.0)
    np.testing.assert_allclose(energy[1], 2.0)
    assert energy[2] == battery.energy_max_mwh


def test_a_store_above_its_maximum_buys_nothing_and_can_discharge() -> None:
    power, energy = make_battery(round_trip_efficiency=1.0).step(np.array([38.0, 38.0]), np.array([-10.0, 10.0]), 1.0)
    np.testing.assert_allclose(power, [0, 10])
    np.testing.assert_allclose(energy, [38, 28])


def test_a_run_starts_at_the_given_energy() -> None:
    _, energy = make_battery(round_trip_efficiency=1.0).run(np.array([5.0]), 1.0, energy_mwh=30.0)
    np.testing.assert_allclose(energy, [30, 25])


BAD = {
    "power_mw": (0.0, -1.0, np.nan, np.inf),
    "capacity_mwh": (0.0, -40.0, np.nan, np.inf),
    "soc_min": (-0.1, 1.0, 10.0, np.nan),
    "soc_max": (0.1, 0.05, 1.01, 90.0, np.nan),
    "soc_start": (0.05, 0.95, 50.0, np.nan),
    "round_trip_efficiency": (0.0, -0.85, 1.01, 85.0, np.nan),
    "charge_loss_share": (-0.1, 1.1, np.nan),
    "wear_per_mwh": (-1.0, np.nan, np.inf),
    "wear_per_mwh_charged": (-1.0, np.nan, np.inf),
    "max_cycles_per_day": (0.0, -1.0, np.inf),
    "max_cycles_per_year": (0.0, -300.0, np.inf),
    "self_discharge_per_day": (-0.01, 1.0, 5.0, np.nan),
    "grid_fee_per_mwh": (-1.0, np.nan, np.inf),
}


@pytest.mark.parametrize(("field", "value"), [(field, value) for field, values in BAD.items() for value in values])
def test_an_invalid_number_is_rejected_with_field_and_value(field: str, value: float) -> None:
    with pytest.raises(ConfigError, match=rf"battery\.{field} must .*got {value!r}"):
        make_battery(**{field: value})


def test_every_field_of_the_battery_is_checked() -> None:
    assert set(BAD) == set(Battery.__dataclass_fields__)
