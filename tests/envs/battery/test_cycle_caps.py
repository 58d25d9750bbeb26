"""Caps on cycles: discharged energy never exceeds them, per local day and per stretch."""

from __future__ import annotations

import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from omegaconf import OmegaConf

from battery_lab.common.errors import ConfigError
from battery_lab.config.conf_folder import conf_dir
from battery_lab.config.stored_trial import update_parts
from battery_lab.envs.battery.cycle_caps import left_shares, new_meters, shares_before
from battery_lab.envs.battery.physics import Battery
from battery_lab.sweep.trial_identity import trial_identity
from tests.compositions import option
from tests.envs.small_world import make_option, make_world
from tests.small_batteries_and_series import make_battery, make_series

LOSSLESS = make_battery(round_trip_efficiency=1.0, soc_min=0.0, soc_max=1.0, soc_start=1.0)


def sold_mwh(power_mw, interval_h):
    return np.maximum(power_mw, 0.0) * interval_h


def capped(per_day=None, per_year=None, **changes) -> Battery:
    return make_battery(max_cycles_per_day=per_day, max_cycles_per_year=per_year, **changes)


@pytest.mark.parametrize("field", ["max_cycles_per_day", "max_cycles_per_year"])
@pytest.mark.parametrize("value", [0, -1.0, "two", True, np.nan])
def test_a_cap_is_a_number_above_zero_or_null(field, value):
    with pytest.raises(ConfigError, match=re.escape(f"battery.{field} must be") + ".*null"):
        make_battery(**{field: value})


@pytest.mark.parametrize("field", ["max_cycles_per_day", "max_cycles_per_year"])
def test_a_cap_that_the_meter_does_not_count_is_refused_and_the_smallest_is_named(field):
    least = 2.0**-28 / 40
    with pytest.raises(ConfigError, match=rf"battery.{field} must be null or at least 9.31e-11, the .* got 9.3e-11"):
        make_battery(**{field: 9.3e-11})
    battery = make_battery(**{field: least})
    power, _ = battery.run(np.full(3, 10.0), 0.5, allowance=battery.allowance(np.zeros(3, int), 0.5))
    assert power.sum() * 0.5 == 2.0**-28


def test_more_cycles_than_the_battery_can_do_are_accepted():
    assert capped(per_day=1000.0).has_caps


def test_a_discharge_is_delivered_to_what_is_left_and_then_nothing_until_the_next_local_day():
    battery = make_battery(
        **{name: getattr(LOSSLESS, name) for name in ("soc_min", "soc_max", "soc_start", "round_trip_efficiency")},
        max_cycles_per_day=0.375,
    )
    allowance = battery.allowance(np.array([7, 7, 7, 8, 8]), 1.0)
    power, energy = battery.run(np.full(5, 10.0), 1.0, allowance=allowance)
    np.testing.assert_allclose(power, [10, 5, 0, 10, 5], atol=1e-7)
    np.testing.assert_allclose(energy, [40, 30, 25, 25, 15, 10], atol=1e-7)


def test_charging_is_not_capped():
    battery = capped(per_day=0.01)
    power, _ = battery.run(np.array([-10.0]), 1.0, allowance=battery.allowance(np.array([0]), 1.0))
    assert power[0] == -10


def test_a_yearly_cap_is_pro_rata_to_the_stretch():
    battery = capped(per_year=365.0)
    day = np.repeat(np.arange(73), 24)
    assert battery.allowance(day, 1.0).stretch_mwh == pytest.approx(73 * 40)
    assert battery.allowance(day, 1.0, intervals=24).stretch_mwh == pytest.approx(40)


def test_a_capped_battery_does_not_run_without_its_days():
    battery = capped(per_day=1.0)
    with pytest.raises(ValueError, match="allowance"):
        battery.run(np.zeros(3), 1.0)
    with pytest.raises(ValueError, match="allowance"):
        battery.run(np.zeros(3), 1.0, allowance=battery.allowance(np.zeros(2, int), 1.0))


@pytest.mark.parametrize(("date", "hours"), [("2024-03-10", 23), ("2024-06-10", 24), ("2024-11-03", 25)])
def test_a_day_is_the_local_day_with_daylight_saving(date, hours):
    first = str(np.datetime64(date) - 2)
    series = make_series(np.zeros(24 * 5), 1.0, start=first, time_zone="America/New_York")
    is_date = series.local_start.strftime("%Y-%m-%d") == date
    rows = series.local_day == series.local_day[is_date][0]
    np.testing.assert_array_equal(rows, is_date)
    assert rows.sum() == hours


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    per_day=st.one_of(st.none(), st.floats(0.01, 3)),
    per_year=st.one_of(st.none(), st.floats(1, 1000)),
    interval_h=st.sampled_from([1 / 12, 0.5, 1.0]),
    self_discharge=st.sampled_from([0.0, 0.2]),
    start=st.sampled_from(["2024-03-08", "2024-11-01", "2024-06-01"]),
)
def test_random_requests_never_exceed_the_caps(seed, per_day, per_year, interval_h, self_discharge, start):
    rng = np.random.default_rng(seed)
    days = make_series(np.zeros(round(5 * 24 / interval_h)), interval_h, start=start, time_zone="America/New_York")
    battery = capped(per_day, per_year, self_discharge_per_day=self_discharge, power_mw=30.0)
    requests = rng.uniform(-50, 60, len(days))
    allowance = battery.allowance(days.local_day, interval_h)
    power, energy = battery.run(requests, interval_h, allowance=allowance)
    sold = sold_mwh(power, interval_h)
    if per_day is not None:
        assert np.bincount(days.local_day - days.local_day[0], sold).max() <= 40 * per_day * (1 + 1e-12)
    if per_year is not None:
        assert sold.sum() <= 40 * per_year * 5 / 365 * (1 + 1e-12)
    assert (energy <= battery.energy_max_mwh).all()
    assert (power <= np.maximum(requests, 0) + 1e-9).all()


@pytest.mark.parametrize("caps", [(50.0, None), (None, 1e5), (50.0, 1e5)])
def test_a_cap_that_never_binds_changes_nothing(caps):
    rng, day = np.random.default_rng(0), np.repeat(np.arange(10), 288)
    requests, battery = rng.uniform(-12, 12, 2880), capped(*caps)
    free, with_caps = (
        make_battery().run(requests, 1 / 12),
        battery.run(requests, 1 / 12, allowance=battery.allowance(day, 1 / 12)),
    )
    for before, after in zip(free, with_caps, strict=True):
        np.testing.assert_array_equal(before, after)


def test_steps_of_many_batteries_equal_their_runs():
    battery, day = capped(0.5, 100.0), np.repeat(np.arange(4), 24)
    allowance = battery.allowance(day, 1.0)
    requests = np.random.default_rng(1).uniform(-12, 12, (96, 3))
    energy, meters = np.full(3, battery.energy_start_mwh), new_meters(3)
    stepped = []
    for t in range(96):
        power, energy = battery.step_within(energy, requests[t], 1.0, np.full(3, t), allowance, meters)
        stepped.append(power)
    for n in range(3):
        power, _ = battery.run(requests[:, n], 1.0, allowance=allowance)
        np.testing.assert_array_equal(np.array(stepped)[:, n], power)


def test_what_is_left_of_the_caps_falls_with_each_discharge_and_resets_at_midnight():
    battery, day = capped(0.5, 365.0), np.repeat(np.arange(2), 24)
    allowance = battery.allowance(day, 1.0)
    power, _ = battery.run(np.full(48, 10.0), 1.0, allowance=allowance)
    left = shares_before(power, allowance)
    np.testing.assert_allclose(left[[0, 1, 24], 0], [1, 0.5, 1])
    # 10 MWh in the first and the second hour, of 365 x 40 MWh per year; a steady use is 40 MWh in 24 hours.
    assert left[0, 1] == 0
    np.testing.assert_allclose(left[1, 1], (40 / 24 - 10) / (365 * 40))
    np.testing.assert_allclose(left[24, 1], (40 - power[:24].sum()) / (365 * 40))
    unlimited = make_battery().allowance(day, 1.0)
    np.testing.assert_array_equal(left_shares(new_meters(1), np.array([30]), unlimited), [[1, 0]])


@pytest.mark.parametrize("days", [30, 120, 365])
def test_the_yearly_number_means_the_same_in_stretches_of_any_length(days):
    allowance = capped(per_year=365.0).allowance(np.repeat(np.arange(days), 24), 1.0)
    sold = np.zeros(days * 24)
    sold[:48] = 2.0
    left = shares_before(sold, allowance)
    np.testing.assert_allclose(left[48, 1], (2 * 40 - 96) / (365 * 40))
    np.testing.assert_allclose(left[24 * 20, 1], (20 * 40 - 96) / (365 * 40))


def test_an_environment_counts_saved_cycles_from_the_start_of_each_episode(tmp_path):
    show = option("observation", "minimal", ["observation.cap_left=true"])
    world = make_world(tmp_path, battery=capped(per_year=100.0), observation=show, episode_days=2.0)
    env, place = world.vector_env(6, seed=0), world._observer.state_numbers - 1
    env.reset(seed=0)
    waited = np.zeros(6)
    for _ in range(2 * 288 + 40):
        ended = env.get_state()["done"]
        seen = env.step(np.full(6, 1))[0]  # hold
        waited = np.where(ended, 0, waited + 1)
        np.testing.assert_allclose(seen[:, place], waited / 288 / 365, atol=1e-8)
    assert (waited < 2 * 288).all()
    env.step(np.full(6, 2))
    other = world.vector_env(6, seed=1)
    other.reset(seed=1)
    other.set_state(env.get_state())
    np.testing.assert_array_equal(env.step(np.full(6, 2))[0], other.step(np.full(6, 2))[0])


@pytest.mark.parametrize("name", ["episode_days", "validation_days", "test_days"])
def test_a_stretch_with_a_yearly_cap_is_at_most_a_year(tmp_path, name):
    with pytest.raises(
        ConfigError, match=rf"env\.{name} must be at most 365 with battery\.max_cycles_per_year.*got 366"
    ):
        make_option(tmp_path, battery=capped(per_year=100.0), **{name: 366})
    make_option(tmp_path, battery=capped(per_year=100.0), **{name: 365})
    make_option(tmp_path, battery=capped(per_day=1.0), **{name: 366})


def test_no_longer_stretch_gets_an_allowance():
    battery, day = capped(per_year=100.0), np.repeat(np.arange(366), 24)
    with pytest.raises(ValueError, match="at most 365 days, got 366"):
        battery.allowance(day, 1.0)
    assert battery.allowance(day, 1.0, intervals=365 * 24).stretch_mwh == 4000
    assert battery.allowance(np.zeros(105_120, int), 1 / 12).stretch_mwh == pytest.approx(4000)


BOTH = {"max_cycles_per_day": 0.7, "max_cycles_per_year": 150.0}
CAPS = [{"max_cycles_per_day": 0.5}, {"max_cycles_per_year": 120.0}, BOTH]


@pytest.mark.parametrize("caps", CAPS)
def test_training_episodes_keep_the_caps(tmp_path, caps):
    battery = make_battery(**caps)
    world = make_world(tmp_path, battery=battery, episode_days=3.0)
    env = world.vector_env(5, seed=0, staggered=False)
    env.reset(seed=3)
    state = env.get_state()
    day, used, rows = world._series.local_day, {}, state["row"]
    rng = np.random.default_rng(0)
    for _ in range(3 * 288):
        before = env.get_state()
        env.step(rng.choice([0, 2, 2], 5))
        sold = np.diff([before["energy"], env.get_state()["energy"]], axis=0)[0]
        for n, fall in enumerate(-np.minimum(sold, 0) * battery.discharge_efficiency):
            used.setdefault((n, day[before["row"][n]]), []).append(fall)
    assert (rows == state["row"]).all()
    per_day = np.array([sum(values) for values in used.values()])
    if battery.max_cycles_per_day:
        assert per_day.max() <= 40 * battery.max_cycles_per_day + 1e-6
        assert per_day.max() == pytest.approx(40 * battery.max_cycles_per_day, rel=0.01)
    if battery.max_cycles_per_year:
        for n in range(5):
            total = sum(sum(values) for (which, _), values in used.items() if which == n)
            assert total <= 40 * battery.max_cycles_per_year * 3 / 365 + 1e-6


def test_a_restored_environment_continues_with_its_meters(tmp_path):
    world = make_world(tmp_path, battery=capped(per_day=0.5))
    env, other = (world.vector_env(4, seed=seed) for seed in (0, 1))
    env.reset(seed=0)
    other.reset(seed=1)
    for _ in range(50):
        env.step(np.full(4, 2))
    other.set_state(env.get_state())
    for _ in range(300):
        actions = np.full(4, 2)
        np.testing.assert_array_equal(env.step(actions)[0], other.step(actions)[0])


def test_a_stored_battery_of_an_earlier_version_loads_without_caps_and_keeps_its_identity():
    now = OmegaConf.load(conf_dir() / "battery" / "default.yaml")
    added = ("wear_per_mwh_charged", "max_cycles_per_day", "max_cycles_per_year")
    earlier = OmegaConf.create({"battery": {key: value for key, value in now.items() if key not in added}})
    identity = trial_identity(OmegaConf.to_container(earlier))
    update_parts(earlier)
    assert earlier.battery == now
    assert trial_identity({"battery": OmegaConf.to_container(now)}) == identity
    assert trial_identity({"battery": OmegaConf.to_container(now) | {"max_cycles_per_day": 1.0}}) != identity
