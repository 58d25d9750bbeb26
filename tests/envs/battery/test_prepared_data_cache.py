"""What a world prepares is computed once, equals what is computed without a cache, and follows any relevant change."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest

from battery_lab.market.synthetic_prices.synthetic_market import SyntheticMarket
from battery_lab.observations.observation_set import ObservationSet
from battery_lab.observations.past_features import Lags
from battery_lab.planning import hindsight_value
from tests.compositions import option
from tests.envs.small_world import make_option, make_world
from tests.small_batteries_and_series import make_battery, make_series, wavy_prices


@pytest.fixture
def computed(monkeypatch):
    """The computations that run from now on, by name."""
    calls = []
    for name in ("fit", "tabulate"):
        original = getattr(ObservationSet, name)

        def record(self, *arguments, name=name, original=original):
            calls.append(name)
            return original(self, *arguments)

        monkeypatch.setattr(ObservationSet, name, record)
    return calls


def first_observations(world):
    return world.vector_env(8, 0).reset(seed=0)[0]


def regrets(world):
    env = world.vector_env(8, 0)
    env.reset(seed=0)
    return np.array([env.step(np.full(8, k % 3))[1] for k in range(300)])


def test_a_second_start_computes_nothing_and_sees_the_same(tmp_path, computed):
    first = make_world(tmp_path)
    expected = first_observations(first)
    assert computed == ["fit", "tabulate"]
    second = make_world(tmp_path)
    np.testing.assert_array_equal(first_observations(second), expected)
    assert second.observation_state() == first.observation_state()
    assert second.layout == first.layout
    assert computed == ["fit", "tabulate"]


@pytest.mark.parametrize(
    "change",
    [
        {"series": make_series(wavy_prices(24, seed=1))},
        {"price_lag": 1},
        {"observation": option("observation", "compact")},
    ],
    ids=["prices", "lag", "set"],
)
def test_other_data_or_observations_are_computed(tmp_path, computed, change):
    first_observations(make_world(tmp_path))
    first_observations(make_world(tmp_path, **change))
    assert computed == ["fit", "tabulate"] * 2


def test_another_split_fits_other_scales(tmp_path):
    worlds = [make_world(tmp_path, validation_days=days) for days in (3, 8)]
    assert worlds[0].observation_state() != worlds[1].observation_state()
    assert not np.array_equal(*(first_observations(world) for world in worlds))


def test_damaged_files_are_replaced(tmp_path, computed):
    expected = first_observations(make_world(tmp_path))
    for file in [*(tmp_path / "scales").iterdir(), *(tmp_path / "observations").iterdir()]:
        file.write_bytes(file.read_bytes()[:50])
    np.testing.assert_array_equal(first_observations(make_world(tmp_path)), expected)
    assert computed == ["fit", "tabulate"] * 2


def test_a_folder_that_cannot_be_written_is_no_error(tmp_path):
    blocked = tmp_path / "file"
    blocked.write_text("")
    np.testing.assert_array_equal(first_observations(make_world(blocked)), first_observations(make_world(tmp_path)))


def test_a_world_keeps_its_observations_if_the_cache_is_removed(tmp_path):
    first_observations(make_world(tmp_path))
    world = make_world(tmp_path)
    env = world.vector_env(8, 0)
    env.reset(seed=0)
    for file in (tmp_path / "observations").iterdir():
        file.write_bytes(b"")
    observations = [env.step(np.full(8, k % 3))[0].copy() for k in range(50)]
    other = make_world(tmp_path / "other").vector_env(8, 0)
    other.reset(seed=0)
    np.testing.assert_array_equal(observations, [other.step(np.full(8, k % 3))[0].copy() for k in range(50)])


@pytest.mark.parametrize("change", [{"values": np.zeros((3, 1), np.float32)}, {"values": np.zeros((3, 2))}, {}])
def test_a_table_that_does_not_fit_its_layout_is_computed(tmp_path, computed, change):
    expected = first_observations(make_world(tmp_path))
    (file,) = (tmp_path / "observations").iterdir()
    stored = dict(np.load(file))
    np.savez(file, **({"layout": stored["layout"]} if not change else stored | change))
    np.testing.assert_array_equal(first_observations(make_world(tmp_path)), expected)
    assert computed == ["fit", "tabulate", "tabulate"]


def test_the_home_folder_may_be_a_tilde(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    world = make_world("~/cache", reward=option("reward", "regret"))
    regrets(world)
    world.baselines("test")
    assert {path.name for path in (tmp_path / "cache").iterdir()} >= {"baselines", "hindsight", "observations"}
    assert not (tmp_path / "~").exists()


@dataclass(frozen=True, kw_only=True)
class OwnFeature:
    """A feature of the user, whose code may change."""

    look_back_h: float = 1.0

    def build(self, history):
        return Lags(column="price", minutes=[0], optional=False).build(history)


def test_nothing_is_kept_of_the_users_own_features(tmp_path, computed):
    own = ObservationSet(soc="level", cap_left=False, clip=10.0, features={"own": OwnFeature()})
    for _ in range(2):
        first_observations(make_world(tmp_path, observation=own))
    assert computed == ["fit", "tabulate"] * 2


def test_a_window_is_observed_the_same_at_the_second_start(tmp_path):
    window = option("observation", "window")
    first, second = (first_observations(make_world(tmp_path, observation=window)) for _ in range(2))
    np.testing.assert_array_equal(first, second)


def test_regret_is_the_same_with_stored_values_and_follows_the_battery(tmp_path):
    reward = option("reward", "regret")
    first = regrets(make_world(tmp_path / "a", reward=reward))
    np.testing.assert_array_equal(regrets(make_world(tmp_path / "a", reward=reward)), first)
    for file in (tmp_path / "a" / "hindsight").iterdir():
        np.save(file, np.zeros(3))
    np.testing.assert_array_equal(regrets(make_world(tmp_path / "a", reward=reward)), first)
    worn = make_battery(wear_per_mwh=50.0)
    expected = regrets(make_world(tmp_path / "b", reward=reward, battery=worn))
    np.testing.assert_array_equal(regrets(make_world(tmp_path / "a", reward=reward, battery=worn)), expected)
    assert not np.array_equal(expected, first)


def test_rows_of_the_value_table_do_not_depend_on_the_order_of_their_use():
    price, battery = wavy_prices(4), make_battery()
    rows, energy = np.arange(len(price) + 1), np.full(len(price) + 1, 11.0)
    whole = hindsight_value.hindsight(price, battery, 1 / 12).at(rows, energy)
    table = hindsight_value.hindsight(price, battery, 1 / 12)
    order = np.random.default_rng(0).permutation(rows)
    single = np.array([table.at(np.array([row]), energy[:1])[0] for row in order])
    np.testing.assert_array_equal(single, whole[order])
    assert whole[-1] == 0


def test_a_simulated_market_is_simulated_once(tmp_path, monkeypatch):
    market = option("market", "synthetic", ["market.years=1"])
    load = make_option(tmp_path, market=market, validation_days=30).open
    first = load("discrete")
    monkeypatch.setattr(SyntheticMarket, "simulate", lambda *_: pytest.fail("simulated again"))
    assert load("discrete").digest == first.digest
    other = option("market", "synthetic", ["market.years=1", "market.seed=1"])
    with pytest.raises(pytest.fail.Exception, match="simulated again"):
        make_option(tmp_path, market=other).open("discrete")
