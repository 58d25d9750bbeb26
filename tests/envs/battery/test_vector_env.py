"""The battery vector environment: gymnasium's contract, accounts, episodes and state."""

from __future__ import annotations

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.vector import AutoresetMode

from battery_lab.rewards.weighted_terms import BoundShaping
from tests.compositions import option, same_arrays
from tests.envs.small_world import make_world
from tests.small_batteries_and_series import make_battery, make_series, wavy_prices

EPISODE = 2 * 288
TRAIN_END = 17 * 288


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    return make_world(tmp_path_factory.mktemp("cache"))


def roll(env, steps, seed, policy=None):
    rng = np.random.default_rng(seed)
    seen = [env.reset(seed=seed)[0]]
    rewards, ends = [], []
    for _ in range(steps):
        action = rng.integers(0, 3, env.num_envs) if policy is None else policy(env)
        observation, reward, terminated, truncated, _ = env.step(action)
        assert not terminated.any()
        seen.append(observation)
        rewards.append(reward)
        ends.append(truncated)
    return np.array(seen), np.array(rewards), np.array(ends)


def test_the_vector_environment_declares_autoreset_and_spaces(world):
    env = world.vector_env(5, 0)
    assert env.metadata["autoreset_mode"] is AutoresetMode.NEXT_STEP
    assert env.single_action_space == gym.spaces.Discrete(3)
    observation, info = env.reset(seed=1)
    assert observation in env.observation_space
    assert info == {}
    assert env.action_space.shape == (5,)


def test_episodes_depend_on_the_seed(world):
    first, again, other = (roll(world.vector_env(4, 9), 700, seed) for seed in (3, 3, 4))
    for one, two in zip(first, again, strict=True):
        np.testing.assert_array_equal(one, two)
    assert not np.array_equal(first[0], other[0])


def test_an_unstaggered_episode_has_full_length_and_resets_on_the_next_step(world):
    env = world.vector_env(2, 0, staggered=False)
    seen, rewards, ends = roll(env, EPISODE + 2, 0)
    assert np.flatnonzero(ends[:, 0]).tolist() == [EPISODE - 1]
    # The step after the end only resets: no reward, for any action.
    assert rewards[EPISODE].tolist() == [0.0, 0.0]
    assert rewards[EPISODE + 1].any() or rewards[EPISODE - 1].any()
    assert not np.array_equal(seen[EPISODE], seen[EPISODE + 1])


def test_staggered_episodes_end_at_different_times(world):
    ends = roll(world.vector_env(64, 0), EPISODE, 0)[2]
    first = ends.argmax(axis=0)
    assert ends.any(axis=0).all()
    assert len(np.unique(first)) > 40


def test_rewards_are_the_profit_that_the_actions_earn(world):
    env = world.vector_env(3, 0, staggered=False)
    env.reset(seed=5)
    env.take_log()
    rewards = [env.step(np.array([0, 1, 2]))[1] for _ in range(12)]
    account = env.take_log()
    assert account["train/profit_per_day"] != 0
    # 12 intervals of 5 minutes by 3 batteries are an eighth of a day.
    assert account["train/profit_per_day"] / 8 == pytest.approx(np.sum(rewards) * env.reward.scale)
    assert np.array(rewards)[:, 1].tolist() == [0.0] * 12


def test_wear_and_fees_are_in_profit_and_not_in_revenue(tmp_path):
    battery = make_battery(wear_per_mwh=20.0, grid_fee_per_mwh=5.0)
    env = make_world(tmp_path, battery=battery).vector_env(2, 0, staggered=False)
    env.reset(seed=5)
    before = env.get_state()["energy"]
    for _ in range(6):
        env.step(np.array([0, 2]))
    after, account = env.get_state()["energy"], env.take_log()
    bought = (after[0] - before[0]) / battery.charge_efficiency
    sold = (before[1] - after[1]) * battery.discharge_efficiency
    # 6 intervals of 5 minutes by 2 batteries are a 24th of a day.
    lost = (account["train/revenue_per_day"] - account["train/profit_per_day"]) / 24
    assert lost == pytest.approx(20 * sold + 5 * bought)
    assert sold > 0 < bought


def test_terms_are_logged_separately_and_cleared(world):
    env = world.vector_env(2, 0)
    env.reset(seed=1)
    env.step(np.array([2, 0]))
    log = env.take_log()
    assert {"reward_terms/revenue", "reward_terms/wear", "reward_terms/grid_fee"} <= set(log)
    env.step(np.array([1, 1]))
    assert env.take_log()["reward_terms/revenue"] == 0.0


def test_a_restored_environment_continues_identically(world):
    env, other = world.vector_env(4, 0), world.vector_env(4, 77)
    roll(env, 300, 2)
    state = env.get_state()
    other.reset()
    other.set_state(state)
    for _ in range(EPISODE):
        action = np.random.default_rng(1).integers(0, 3, 4)
        for one, two in zip(env.step(action)[:4], other.step(action)[:4], strict=True):
            np.testing.assert_array_equal(one, two)
    assert same_arrays(env.get_state(), other.get_state())


def test_a_state_is_a_copy(world):
    env = world.vector_env(2, 0)
    env.reset(seed=0)
    state, again = env.get_state(), env.get_state()
    for _ in range(2):
        env.step(np.array([0, 2]))
        assert same_arrays(state, again)
        env.set_state(state)


def test_zero_is_a_valid_seed(world):
    env = world.vector_env(4, 5)
    np.testing.assert_array_equal(env.reset(seed=0)[0], env.reset(seed=0)[0])


def test_a_reset_after_an_end_starts_at_once_and_keeps_returned_arrays(world):
    env = world.vector_env(2, 0, staggered=False)
    env.reset(seed=0)
    for _ in range(EPISODE):
        ended = env.step(np.array([0, 2]))[3]
    assert ended.all()
    env.reset(seed=1)
    assert ended.all()
    before = env.get_state()["row"]
    env.step(np.array([0, 2]))
    np.testing.assert_array_equal(env.get_state()["row"], before + 1)


def test_an_observation_is_of_the_interval_that_is_dispatched_next(world):
    env = world.vector_env(64, 0)
    seen = env.reset(seed=0)[0]
    for _ in range(50):
        state = env.get_state()
        np.testing.assert_array_equal(seen, world._observer(state["row"], state["energy"]))
        seen = env.step(np.full(64, 2))[0]


def test_initial_energy_covers_the_range_between_the_limits(world):
    env = world.vector_env(2000, 0)
    env.reset(seed=0)
    energy = env.get_state()["energy"]
    assert (energy.min(), energy.max()) == (pytest.approx(4, abs=0.2), pytest.approx(36, abs=0.2))
    assert energy.mean() == pytest.approx(20, abs=1)


def test_each_battery_gets_its_own_reward_while_others_reset(world, monkeypatch):
    env, done, reward = world.vector_env(64, 0), [], BoundShaping.__call__
    env.reset(seed=0)
    energies = []
    monkeypatch.setattr(BoundShaping, "__call__", lambda self, what: done.append(what) or reward(self, what))
    for t in range(200):
        before, action = env.get_state(), np.random.default_rng(t).integers(0, 3, 64)
        env.step(action)
        live, after = ~before["done"], env.get_state()
        np.testing.assert_array_equal(done[t].row, before["row"][live])
        np.testing.assert_array_equal(done[t].energy_mwh, before["energy"][live])
        np.testing.assert_array_equal(done[t].energy_after_mwh, after["energy"][live])
        np.testing.assert_array_equal(done[t].request_mw, 10.0 * (action[live] - 1))
        energies.append((done[t].energy_mwh.copy(), done[t].energy_after_mwh.copy()))
    # Terms may keep what they were given.
    for transition, (before, after) in zip(done, energies, strict=True):
        np.testing.assert_array_equal(transition.energy_mwh, before)
        np.testing.assert_array_equal(transition.energy_after_mwh, after)
    assert min(len(transition.row) for transition in done) < 64


def test_training_uses_no_row_of_validation_or_test(tmp_path):
    prices = wavy_prices(24)
    poisoned = np.where(np.arange(len(prices)) < TRAIN_END, prices, np.nan)
    env = make_world(tmp_path, series=make_series(poisoned)).vector_env(64, 0)
    seen, rewards, ends = roll(env, 3 * EPISODE, 0)
    assert np.isfinite(seen).all()
    assert np.isfinite(rewards).all()
    assert ends.any()


def test_continuous_actions_are_fractions_of_full_power(tmp_path):
    env = make_world(tmp_path, "continuous").vector_env(3, 0, staggered=False)
    env.reset(seed=0)
    before = env.get_state()["energy"]
    env.step(np.array([[-0.5], [0.0], [7.0]], np.float32))
    stored = env.get_state()["energy"] - before
    efficiency = 0.85**0.5
    np.testing.assert_allclose(stored, [5 / 12 * efficiency, 0.0, -10 / 12 / efficiency], rtol=1e-6)


@pytest.mark.parametrize("levels", [3, 5, 21])
def test_any_odd_number_of_levels_spans_full_charge_to_full_discharge(tmp_path, levels):
    env = make_world(tmp_path, action_levels=levels).vector_env(levels, 0)
    assert env.single_action_space.n == levels
    env.reset(seed=0)
    before = env.get_state()["energy"]
    env.step(np.arange(levels))
    moved = env.get_state()["energy"] - before
    assert moved[levels // 2] == 0
    assert (np.sign(moved[: levels // 2]) == 1).all()
    assert (np.sign(moved[levels // 2 + 1 :]) == -1).all()


def test_episodes_contain_no_gap(tmp_path):
    gap = np.zeros(24 * 288, bool)
    gap[10 * 288 : 10 * 288 + 5] = True
    series = make_series(wavy_prices(24), gap=gap)
    env = make_world(tmp_path, series=series).vector_env(256, 0)
    for _ in range(20):
        env.reset()
        state = env.get_state()
        for row, end in zip(state["row"], state["end"], strict=True):
            assert not gap[row:end].any()


def test_episodes_start_at_every_row_with_history_and_no_gap_ahead(tmp_path):
    gap = np.zeros(24 * 288, bool)
    gap[10 * 288 : 10 * 288 + 5] = True
    for lag in (0, 1):
        series, day_back = make_series(wavy_prices(24), gap=gap), option("observation", "window")
        world = make_world(tmp_path, series=series, observation=day_back, price_lag=lag)
        first = 288 + lag
        # The last observation is of the row after an episode, which is outside the training period at TRAIN_END.
        fits = [row for row in range(first, TRAIN_END - EPISODE) if not gap[row : row + EPISODE].any()]
        assert world._split.starts.tolist() == fits


def test_a_reward_belongs_to_the_interval_that_was_dispatched(tmp_path):
    prices = np.arange(24.0 * 288)
    env = make_world(tmp_path, series=make_series(prices)).vector_env(4, 0, staggered=False)
    env.reset(seed=0)
    row = env.get_state()["row"]
    env.take_log()
    rewards = env.step(np.full(4, 0))[1] * env.reward.scale
    np.testing.assert_allclose(rewards, -prices[row] * 10 / 12)


def test_the_mean_reward_is_logged(world):
    env = world.vector_env(8, 0)
    env.reset(seed=3)
    env.take_log()
    rewards = [env.step(np.full(8, 2))[1] for _ in range(5)]
    assert env.take_log()["train/reward_mean"] == pytest.approx(np.mean(rewards))
