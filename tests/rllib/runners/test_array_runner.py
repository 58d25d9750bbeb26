"""Array runner: it samples exactly what RLlib's own runner samples."""

from __future__ import annotations

import gymnasium as gym
import numpy as np
import pytest
import torch
from ray.rllib.algorithms.dqn import DQNConfig
from ray.rllib.algorithms.ppo import PPOConfig
from ray.rllib.algorithms.sac import SACConfig
from ray.rllib.callbacks.callbacks import RLlibCallback
from ray.rllib.core.columns import Columns

from battery_lab.common.errors import ConfigError
from battery_lab.rllib.runners.array_runner import ArrayEnvRunner
from battery_lab.rllib.runners.checkpointed_runner import CheckpointedEnvRunner
from tests.rllib.rllib_episodes import by_columns, episodes_of
from tests.rllib.runners.scripted_runner import runner, scripted, sorted_rows
from tests.rllib.scripted_env import ScriptedEnv
from tests.rllib.small_configs import configured

pytestmark = pytest.mark.usefixtures("one_torch_thread")


def separate_value():
    """Return PPO whose value function shares no layers with the policy."""
    return PPOConfig().rl_module(model_config={"vf_share_layers": False})


@pytest.mark.parametrize(
    ("config", "box"),
    [*((kind, box) for kind in (PPOConfig, SACConfig, separate_value) for box in (False, True)), (DQNConfig, False)],
)
def test_samples_equal_those_of_the_stock_runner(config, box):
    ours, stock = (runner(config(), scripted(box=box), array) for array in (True, False))
    stock.module.set_state(ours.module.get_state())
    for _ in range(3):
        torch.manual_seed(1)
        fragment = ours.sample(num_timesteps=100)[0]
        torch.manual_seed(1)
        episodes = stock.sample(num_timesteps=100)
        own_episodes = episodes_of(fragment)
        assert sorted(map(len, own_episodes)) == sorted(map(len, episodes))
        rows, expected = (sorted_rows(by_columns(some)) for some in (own_episodes, episodes))
        assert np.array_equal(rows, expected)


def test_counts_of_steps_and_episodes_equal_those_of_the_stock_runner():
    figures = []
    for array in (True, False):
        one = runner(array=array)
        for _ in range(4):
            one.sample(num_timesteps=50)
        figures.append(one.get_metrics())
    for name in ("num_env_steps_sampled", "num_env_steps_sampled_lifetime", "num_episodes"):
        assert figures[0][name].peek() == figures[1][name].peek(), name


def test_episode_metrics_span_fragments():
    one = runner(num_envs_per_env_runner=2)
    for _ in range(5):
        one.sample(num_timesteps=6)
    metrics = one.get_metrics()
    assert (metrics["episode_len_min"].peek(), metrics["episode_len_max"].peek()) == (3, 5)
    assert metrics["episode_return_min"].peek() == 1 + 2 + 3
    assert metrics["episode_return_max"].peek() == 1 + 2 + 3 + 3 * 20


@pytest.mark.parametrize("explore", [True, False])
def test_whole_episodes_can_be_sampled(explore):
    one = runner()
    fragment = one.sample(num_episodes=4, explore=explore)[0]
    assert np.count_nonzero(fragment.ended) == 4
    assert np.array_equal(fragment.obs[0, :, 1:], np.zeros((4, 2)))
    again = one.sample(num_timesteps=4)[0]
    assert np.array_equal(again.obs[0, :, 1:], np.zeros((4, 2)))


@pytest.mark.parametrize("count", [1, 3, 6])
def test_sampled_episodes_equal_those_of_the_stock_runner(count):
    ours, stock = (runner(array=array) for array in (True, False))
    stock.module.set_state(ours.module.get_state())
    for one in (ours, stock):
        one.sample(num_timesteps=10)
    fragment = ours.sample(num_episodes=count, explore=False)[0]
    expected = stock.sample(num_episodes=count, explore=False)
    episodes = [episode for episode in episodes_of(fragment) if episode.is_done]
    assert sorted(map(len, episodes)) == sorted(map(len, expected))
    assert fragment.env_steps() == sum(map(len, expected))
    assert np.array_equal(sorted_rows(by_columns(episodes)), sorted_rows(by_columns(expected)))
    metrics, stock_metrics = ours.get_metrics(), stock.get_metrics()
    for name in ("num_env_steps_sampled", "num_episodes"):
        assert metrics[name].peek() == stock_metrics[name].peek(), name


@pytest.mark.parametrize("unit", ["episodes", "timesteps"])
def test_evaluation_metrics_equal_those_of_the_stock_runner(unit):
    results = []
    for array in (True, False):
        config = configured(
            PPOConfig().training(minibatch_size=64, train_batch_size_per_learner=128), scripted(), array
        )
        config.evaluation(evaluation_interval=1, evaluation_duration=6, evaluation_duration_unit=unit)
        algorithm = config.build_algo()
        assert isinstance(algorithm.eval_env_runner, ArrayEnvRunner) == array
        results.append(algorithm.train()["evaluation"]["env_runners"])
        algorithm.stop()
    for name in ("num_env_steps_sampled", "num_episodes"):
        assert results[0][name] == results[1][name], name
    assert results[0]["num_env_steps_sampled"] > 0
    if unit == "episodes":
        assert results[0]["episode_len_max"] == 5


def test_complete_episodes_equal_those_of_the_stock_runner():
    ours, stock = (runner(array=array, batch_mode="complete_episodes") for array in (True, False))
    stock.module.set_state(ours.module.get_state())
    for _ in range(2):
        torch.manual_seed(1)
        fragment = ours.sample()[0]
        torch.manual_seed(1)
        expected = stock.sample()
        episodes = episodes_of(fragment)
        assert all(episode.is_done for episode in episodes)
        assert np.array_equal(sorted_rows(by_columns(episodes)), sorted_rows(by_columns(expected)))


@pytest.mark.parametrize("array", [True, False])
def test_learning_from_complete_episodes(array):
    training = {"minibatch_size": 32, "train_batch_size_per_learner": 100}
    config = configured(
        PPOConfig().training(**training), scripted(), array, batch_mode="complete_episodes", rollout_fragment_length=25
    )
    algorithm = config.build_algo()
    result = algorithm.train()
    algorithm.stop()
    # Each sample has four complete episodes of three to five steps.
    assert result["env_runners"]["num_episodes"] % 4 == 0
    assert 100 <= result["env_runners"]["num_env_steps_sampled"] < 100 + 20
    assert np.isfinite(result["learners"]["default_policy"]["total_loss"])


def test_restored_runner_samples_the_same():
    one = runner()
    one.sample(num_timesteps=40)
    state = one.get_state()
    expected = one.sample(num_timesteps=40)[0]
    other = runner()
    other.set_state(state)
    fragment = other.sample(num_timesteps=40)[0]
    for name in ("obs", "actions", "rewards", "terminated", "truncated", "valid", "row"):
        assert np.array_equal(getattr(fragment, name), getattr(expected, name)), name
    assert np.array_equal(fragment.outputs[Columns.ACTION_LOGP], expected.outputs[Columns.ACTION_LOGP])


def test_runners_of_consecutive_trials_have_distinct_seeds():
    made, reset, noise = [], [], []

    class Seeded(ScriptedEnv):
        def reset(self, *, seed=None, options=None):
            reset.append(seed)
            return super().reset()

    def make(num_envs, seed):
        made.append(seed)
        return Seeded((3,), (True,), num_envs)

    for trial in (0, 1):
        config = configured(PPOConfig(), make).debugging(seed=trial)
        config.environment(env_config={"make_env": make, "seed": trial})
        for index in (0, 1, 2):
            one = ArrayEnvRunner(config=config, worker_index=index, num_workers=2)
            noise.append(torch.initial_seed())
            one.sample(num_timesteps=4)
    assert made == reset == noise
    assert len(set(made)) == 6
    assert made[0] == 0


@pytest.mark.parametrize("array", [True, False])
def test_on_environment_created_callbacks_are_called(array):
    created = []
    config = configured(PPOConfig(), scripted(), array)
    config.callbacks(on_environment_created=lambda **given: created.append(given["env"]))
    one = (ArrayEnvRunner if array else CheckpointedEnvRunner)(config=config)
    assert created == [one.env.unwrapped]


def test_large_forward_passes_use_several_threads(monkeypatch):
    seen = []

    class Counted(ScriptedEnv):
        def step(self, actions):
            seen.append(torch.get_num_threads())
            return super().step(actions)

    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        for minimum in (10**9, 1):
            monkeypatch.setattr("battery_lab.rllib.runners.array_runner.MIN_THREADED_PRODUCTS", minimum)
            runner(make_env=lambda n, seed: Counted((3,), (True,), n)).sample(num_timesteps=4)
            assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)
    assert set(seen[: len(seen) // 2]) == {1} and set(seen[len(seen) // 2 :]) == {2}


class StepCallback(RLlibCallback):
    def on_episode_step(self, **kwargs):
        pass


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (lambda c: c.callbacks(StepCallback), "on_episode_step"),
        (lambda c: c.callbacks(on_episode_end=lambda **given: None), "on_episode_end"),
        (lambda c: c.env_runners(env_to_module_connector=lambda *given: []), "connectors"),
        (lambda c: c.fault_tolerance(restart_failed_sub_environments=True), "restarts of failed environments"),
        (lambda c: c.rl_module(model_config={"use_lstm": True, "max_seq_len": 4}), "stateful modules"),
    ],
)
def test_unsupported_options_are_rejected(change, named):
    with pytest.raises(ConfigError, match=f"{named}.*use rollout=stock"):
        ArrayEnvRunner(config=change(configured(PPOConfig(), scripted())))


def test_same_step_autoreset_is_rejected():
    class Same(ScriptedEnv):
        metadata = {"autoreset_mode": gym.vector.AutoresetMode.SAME_STEP}

    with pytest.raises(ConfigError, match="SAME_STEP"):
        runner(make_env=lambda num_envs, seed: Same((3,), (True,), num_envs))
