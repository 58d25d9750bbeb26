"""Dispatch invariants: what the physics does satisfies them, and each is broken by a dispatch that breaks just it."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from battery_lab.baselines.perfect_foresight import PerfectForesight
from battery_lab.common.errors import LabError
from battery_lab.envs.battery.dispatch_arrays import DispatchArrays, PlainBattery
from battery_lab.envs.battery.dispatch_invariants import DispatchError, check_dispatch, violations
from battery_lab.envs.battery.dispatch_problem import DispatchProblem
from battery_lab.envs.battery.dispatch_result import Dispatch
from battery_lab.envs.battery.physics import Battery
from tests.envs.small_world import make_world
from tests.small_batteries_and_series import make_battery, make_series, wavy_prices

INTERVALS_H = (1 / 12, 0.25, 0.5, 1.0)
LOSSY = make_battery(round_trip_efficiency=0.5, self_discharge_per_day=0.05)


def make_problem(price: Any, battery: Battery, interval_h: float = 1 / 12, **changes: Any) -> DispatchProblem:
    series = make_series(price, interval_h, **changes)
    return DispatchProblem(series=series, battery=battery, first=0, end=len(series), train_end=0, price_lag=0)


def foresight(problem: DispatchProblem) -> Dispatch:
    return Dispatch.replay(problem, PerfectForesight().requests(problem))


@pytest.mark.parametrize("interval_h", INTERVALS_H)
def test_perfect_foresight_is_a_battery_where_burning_energy_would_pay(interval_h: float):
    # A buyer who is paid 1,000 per MWh would buy and sell at once, and burn the difference.
    problem = make_problem(np.full(round(48 / interval_h), -1000.0), LOSSY, interval_h)
    arrays = foresight(problem).arrays()
    assert list(violations(arrays, LOSSY)) == []
    assert arrays.bought_mwh.sum() > arrays.sold_mwh.sum() > 0  # it does cycle, as losses are paid for
    assert not np.any((arrays.bought_mwh > 0) & (arrays.sold_mwh > 0))
    kept = arrays.energy_mwh * 0.95 ** (interval_h / 24)
    end = kept + arrays.bought_mwh * 0.5**0.5 - arrays.sold_mwh / 0.5**0.5
    np.testing.assert_allclose(arrays.energy_after_mwh, end, rtol=0, atol=1e-9 * 40)
    assert np.all((arrays.energy_after_mwh <= 36) & (np.abs(arrays.power_mw) <= 10 * (1 + 1e-12)))


@st.composite
def batteries(draw: st.DrawFn) -> Battery:
    low, width = draw(st.floats(0, 0.8)), draw(st.floats(0.05, 0.2))
    cap = draw(st.sampled_from([None, 0.3, 1.0]))
    return make_battery(
        power_mw=draw(st.floats(0.1, 500)),
        capacity_mwh=draw(st.floats(0.1, 500)),
        soc_min=low,
        soc_max=min(low + width, 1.0),
        soc_start=low,
        round_trip_efficiency=draw(st.floats(0.05, 1)),
        charge_loss_share=draw(st.floats(0, 1)),
        wear_per_mwh=draw(st.sampled_from([0.0, 10.0])),
        wear_per_mwh_charged=draw(st.sampled_from([0.0, 3.0])),
        grid_fee_per_mwh=draw(st.sampled_from([0.0, 5.0])),
        self_discharge_per_day=draw(st.sampled_from([0.0, 0.05, 0.9])),
        max_cycles_per_day=cap,
        max_cycles_per_year=None if cap is None else draw(st.sampled_from([None, 300.0])),
    )


prices = st.lists(st.floats(-1000, 17500).map(lambda price: round(price, 2)), min_size=2, max_size=60)


@settings(max_examples=40, deadline=None)
@given(batteries(), prices, st.sampled_from(INTERVALS_H), st.integers(0, 2**32 - 1))
def test_perfect_foresight_and_any_requests_satisfy_the_invariants(battery, price, interval_h, seed):
    rng = np.random.default_rng(seed)
    # The lab refuses gaps where the battery has both caps and self-discharge.
    gap = (rng.random(len(price)) < 0.1) & (not battery.has_caps)
    problem = make_problem(price, battery, interval_h, gap=gap)
    foresight(problem)
    requests = rng.uniform(-2, 2, len(price)) * battery.power_mw
    dispatch = Dispatch.replay(problem, np.where(rng.random(len(price)) < 0.1, np.inf, requests))
    assert list(violations(dispatch.arrays(), battery)) == []


SOUND = make_battery(
    round_trip_efficiency=0.64, wear_per_mwh=2.0, grid_fee_per_mwh=1.0, max_cycles_per_day=1.0, max_cycles_per_year=365
)
# Sells, buys, holds and is in a gap, for two days.
REQUESTS = np.tile([8.0, -5.0, 0.0, 4.0, -10.0, 0.0], 8)


def sound_arrays(battery: Battery = SOUND) -> DispatchArrays:
    gap = np.arange(48) % 12 == 11
    return Dispatch.replay(make_problem(np.tile([50.0, -20.0, 30.0], 16), battery, 1.0, gap=gap), REQUESTS).arrays()


def changed(arrays: DispatchArrays, row: int, **numbers: Any) -> DispatchArrays:
    """Return the arrays with some numbers of a row replaced."""
    copies = {name: getattr(arrays, name).copy() for name in numbers}
    for name, number in numbers.items():
        copies[name][row] = number
    return replace(arrays, **copies)


def names(arrays: DispatchArrays, battery: Any = SOUND) -> list[str]:
    return [violation.invariant for violation in violations(arrays, battery)]


def test_a_sound_dispatch_breaks_nothing():
    assert names(sound_arrays()) == []


@pytest.mark.parametrize("name", [name for name in sound_arrays().given if name not in ("idle", "day")])
def test_a_number_that_is_none_is_found(name: str):
    arrays = changed(sound_arrays(), 3, **{name: np.nan})
    (violation,) = violations(arrays, SOUND)
    assert violation == ("finite", 3, f"{name} must be a finite number, got nan")


def test_energy_that_changes_between_intervals_is_found():
    arrays = sound_arrays()
    lost = np.r_[np.zeros(20), np.full(28, 1e-6)]
    moved = replace(arrays, energy_mwh=arrays.energy_mwh - lost, energy_after_mwh=arrays.energy_after_mwh - lost)
    (violation,) = violations(moved, replace(SOUND, soc_min=0.0))
    assert violation[:2] == ("continuity", 19)


def test_another_energy_at_the_start_is_found():
    (violation,) = violations(replace(sound_arrays(), start_mwh=20.001), SOUND)
    assert violation[:2] == ("continuity", 0)
    assert "starts with 20 MWh, and the battery with 20.001 MWh" in violation.what


@pytest.mark.parametrize("error", [1e-7, -1e-7, 5.0])
def test_an_interval_that_gains_or_loses_energy_is_found(error: float):
    arrays = sound_arrays()
    shift = np.r_[np.zeros(20), np.full(28, error)]  # from row 20 on, so that the energy is continuous
    moved = replace(
        arrays, energy_mwh=arrays.energy_mwh + np.r_[0, shift[:-1]], energy_after_mwh=arrays.energy_after_mwh + shift
    )
    roomy = replace(SOUND, soc_max=1.0)
    found = [violation for violation in violations(moved, roomy) if violation.invariant == "energy balance"]
    assert [violation.row for violation in found] == [20]
    # Losing energy is not making it.
    assert ("no energy from nothing" in names(moved, roomy)) == (error > 0)


def test_errors_within_the_tolerance_that_add_up_are_energy_from_nothing():
    rows, drift = 2000, 0.9e-9 * 40
    energy = 20 + drift * np.arange(rows + 1)
    zeros = np.zeros(rows)
    arrays = DispatchArrays(
        interval_h=1.0, price=zeros, power_mw=zeros, energy_mwh=energy[:-1], energy_after_mwh=energy[1:]
    )
    (violation,) = violations(arrays, make_battery())
    assert violation.invariant == "no energy from nothing"
    assert 0 < violation.row < 100


def test_energy_beyond_a_limit_is_found():
    arrays = sound_arrays()
    assert names(arrays, replace(SOUND, soc_max=0.6)) == ["limits of energy"]
    assert names(arrays, replace(SOUND, soc_min=0.2, soc_start=0.5)) == ["limits of energy"]


def test_a_store_below_its_minimum_may_decay_further_but_not_sell():
    battery = make_battery(self_discharge_per_day=0.5, soc_start=0.1, round_trip_efficiency=1.0)
    problem = make_problem(np.full(4, 50.0), battery, 24.0)
    arrays = Dispatch.replay(problem, np.zeros(4)).arrays()
    assert names(arrays, battery) == []
    sold = changed(arrays, 3, power_mw=0.001, sold_mwh=0.024, request_mw=1.0, revenue=1.2, profit=1.2)
    sold = changed(sold, 3, energy_after_mwh=arrays.energy_after_mwh[3] - 0.024)
    assert names(sold, battery) == ["limits of energy"]


def test_power_beyond_its_limit_is_found():
    assert names(sound_arrays(), replace(SOUND, power_mw=7.9)) == ["limits of power"]


def test_buying_and_selling_in_one_interval_is_found():
    arrays = sound_arrays()
    assert arrays.sold_mwh[0] == 8
    both = changed(arrays, 0, sold_mwh=9.0, bought_mwh=1.0)
    assert names(both) == ["no charge and discharge at once"]


def test_energy_that_is_not_that_of_the_power_is_found():
    assert names(changed(sound_arrays(), 0, sold_mwh=7.9)) == ["energy of the power"]


@pytest.mark.parametrize("request_mw", [7.9, 0.0, -8.0])
def test_more_than_the_request_or_against_it_is_found(request_mw: float):
    assert names(changed(sound_arrays(), 0, request_mw=request_mw)) == ["no more than the request"]


def test_dispatch_in_a_gap_is_found():
    arrays = sound_arrays()
    (violation,) = violations(replace(arrays, idle=np.arange(48) == 3), SOUND)
    assert violation[:2] == ("idle in gaps", 3)


def test_more_than_a_cap_is_found():
    arrays = sound_arrays()
    assert names(arrays, replace(SOUND, max_cycles_per_day=0.5)) == ["cap per day"]
    assert names(arrays, replace(SOUND, max_cycles_per_year=180.0)) == ["cap per year"]


@pytest.mark.parametrize("account", ["revenue", "wear", "grid_fee", "profit"])
def test_an_account_that_does_not_follow_from_the_energy_is_found(account: str):
    arrays = sound_arrays()
    wrong = changed(arrays, 1, **{account: getattr(arrays, account)[1] + 1e-4})
    assert names(wrong) == [f"account of {account}"]


def test_the_error_names_whose_dispatch_it_is_the_row_and_its_numbers():
    wrong = changed(sound_arrays(), 1, grid_fee=4.0)
    with pytest.raises(DispatchError) as error:
        check_dispatch(wrong, SOUND, "the baseline 'mean'")
    assert isinstance(error.value, LabError)
    assert str(error.value).startswith(
        "the dispatch of the baseline 'mean' breaks the invariant 'account of grid_fee' in row 1: grid_fee is 4, and "
        "the delivered energy gives 5. "
    )


def test_arrays_of_other_lengths_are_refused():
    with pytest.raises(
        ValueError, match=re.escape("power_mw must be a (T,) array with T as in price, (48,), got (3,)")
    ):
        replace(sound_arrays(), power_mw=np.zeros(3))


def test_an_empty_dispatch_breaks_nothing():
    none = np.zeros(0)
    arrays = DispatchArrays(interval_h=1.0, price=none, power_mw=none, energy_mwh=none, energy_after_mwh=none)
    assert names(arrays) == []


def test_a_plain_battery_is_enough():
    plain = PlainBattery(
        power_mw=10, capacity_mwh=40, soc_min=0.1, soc_max=0.9, charge_efficiency=0.8, discharge_efficiency=0.8
    )
    arrays = replace(sound_arrays(), wear=None, grid_fee=None, profit=None)
    assert names(arrays, plain) == []
    assert names(changed(arrays, 0, revenue=0.0), plain) == ["account of revenue"]


class NoNumber:
    """A baseline with an error: its requests are no numbers on one day."""

    def requests(self, problem: DispatchProblem) -> np.ndarray:
        return np.where(np.arange(problem.end - problem.first) == 5, np.nan, 1.0)


def test_every_baseline_is_checked(tmp_path):
    battery = make_battery(wear_per_mwh=5.0)
    option = {"rule": NoNumber(), "perfect_foresight": PerfectForesight()}
    world = make_world(tmp_path, series=make_series(wavy_prices(24)), battery=battery, baselines=option)
    with pytest.raises(DispatchError, match="baseline 'rule' breaks the invariant 'finite' in row 5: request_mw must"):
        world.baselines("test")


def test_every_policy_is_checked(tmp_path):
    world = make_world(tmp_path, "continuous")
    with pytest.raises(DispatchError, match="the policy breaks the invariant 'finite' in row 0: request_mw must be"):
        world.evaluate(lambda observation: np.full((len(observation), 1), np.nan), "test")
