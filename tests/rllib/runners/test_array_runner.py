"""Array runner: it samples exactly what RLlib's own runner samples."""

from __future__ import annotations

import gymnasium as gym
import numpy as np
import pytest
import ray
import torch
import tree
from ray.rllib.algorithms.dqn import DQNConfig
from ray.rllib.algorithms.ppo import PPOConfig
from ray.rllib.algorithms.sac import SACConfig
from ray.rllib.callbacks.callbacks import RLlibCallback
from ray.rllib.core.columns import Columns

from battery_lab.common.errors import ConfigError
from battery_lab.rllib.runners.array_runner import ArrayEnvRunner
from battery_lab.rllib.runners.checkpointed_runner import CheckpointedEnvRunner
from battery_lab.rllib.runners.fragment import Fragment
from tests.rllib.small_algorithms import ScriptedEnv, by_columns, configured, episodes_of

pytestmark = pytest.mark.usefixtures("one_torch_thread")


def scripted(lengths=(3, 5), terminates=(True, False), box=False):
    return lambda num_envs, seed: ScriptedEnv(lengths, terminates, num_envs, box)


def runner(config=None, make_env=None, array=True, **settings):
    config = configured(config or PPOConfig(), make_env or scripted(), array, **settings)
    return (ArrayEnvRunner if array else CheckpointedEnvRunner)(config=config)


def sorted_rows(columns):
    """Return all transitions as rows of numbers, sorted."""
    rows = np.concatenate([values.reshape(len(values), -1) for values in columns.values()], axis=1).astype(np.float32)
    return rows[np.lexsort(rows.T)]


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


def test_resets_are_not_transitions_and_final_observations_are_kept():
    fragment = runner(num_envs_per_env_runner=1).sample(num_timesteps=7)[0]
    assert fragment.obs[:, 0, 2].tolist() == [0, 1, 2, 3, 0, 1, 2, 3, 4]
    assert fragment.valid[:, 0].tolist() == [True] * 3 + [False] + [True] * 4
    assert fragment.terminated[:, 0].tolist() == [False, False, True, False, False, False, False, False]
    assert not fragment.truncated.any()
    assert fragment.rewards[:, 0].tolist() == [1, 2, 3, 0, 11, 12, 13, 14]
    assert len(fragment) == fragment.env_steps() == 7


def test_fragment_continues_the_previous_one():
    one = runner()
    first, second = one.sample(num_timesteps=40)[0], one.sample(num_timesteps=40)[0]
    assert np.array_equal(first.obs[-1], second.obs[0])
    assert (first.row, second.row) == (0, len(first.valid))


def test_forced_reset_leaves_a_gap_in_the_row_numbers():
    one = runner()
    first = one.sample(num_timesteps=40)[0]
    second = one.sample(num_timesteps=40, force_reset=True)[0]
    assert second.row == first.row + len(first.valid) + 1


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


@pytest.mark.parametrize("config", [PPOConfig, SACConfig])
def test_greedy_actions_are_deterministic_and_within_bounds(config):
    one = runner(config(), scripted(box=True))
    first, second = one.sample(num_episodes=2, explore=False)[0], one.sample(num_episodes=2, explore=False)[0]
    assert np.array_equal(first.actions[:3], second.actions[:3])
    if config is SACConfig:
        assert np.abs(first.actions).max() <= 1


def test_epsilon_is_annealed_over_steps():
    config = DQNConfig().training(epsilon=[[0, 1.0], [400, 0.0]])
    one = runner(config, scripted((1000,), (False,)))
    early = one.sample(num_timesteps=200)[0].actions
    one.num_env_steps_sampled_lifetime = 600  # as the algorithm sets it in each iteration
    late = one.sample(num_timesteps=200)[0]
    assert len(np.unique(early)) == 3
    greedy = [one._act(obs, explore=False, steps=0, random_actions=False)[0] for obs in late.obs[:-1]]
    assert np.array_equal(np.stack(greedy), late.actions)


def test_random_actions_need_no_module():
    fragment = runner().sample(num_timesteps=200, random_actions=True)[0]
    assert set(np.unique(fragment.actions)) == {0, 1, 2}
    assert fragment.outputs == {}


@pytest.mark.parametrize("dtype", [np.float64, np.uint8, np.int64])
def test_observations_become_float32(dtype):
    class Numbered(ScriptedEnv):
        def _seen(self):
            return super()._seen().astype(dtype)

    fragment = runner(DQNConfig(), lambda n, seed: Numbered((3,), (True,), n)).sample(num_timesteps=20)[0]
    assert fragment.obs.dtype == np.float32
    assert fragment.obs[:3, 0, 2].tolist() == [0, 1, 2]


def test_actions_are_unsquashed_to_the_bounds_of_the_environment():
    seen = []

    class Wide(ScriptedEnv):
        def __init__(self, *args):
            super().__init__(*args, box=True)
            self.single_action_space = gym.spaces.Box(-10, 30, (1,))

        def step(self, actions):
            seen.append(actions.copy())
            return super().step(actions)

    make = lambda num_envs, seed: Wide((50,), (False,), num_envs)  # noqa: E731
    fragment = runner(SACConfig(), make).sample(num_timesteps=80)[0]
    assert np.abs(fragment.actions).max() <= 1
    assert np.allclose(np.stack(seen), 10 + 20 * fragment.actions, atol=1e-5)


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


def test_fragment_is_one_object_for_ray_and_rllib():
    fragment = runner().sample(num_timesteps=40)[0]
    assert tree.flatten([[fragment]]) == [fragment]
    copy = ray.get(ray.put(fragment))
    assert np.array_equal(copy.obs, fragment.obs) and len(copy) == len(fragment)


@pytest.mark.parametrize("steps", [1, 17, 40, 99])
def test_fragment_is_split_without_loss(steps):
    fragment: Fragment = runner().sample(num_timesteps=100)[0]
    first, rest = fragment[:steps], fragment.slice(slice(steps, None))
    assert len(first) + len(rest) == len(fragment)
    assert len(first) <= max(steps, 4)
    assert np.array_equal(first.obs[-1], rest.obs[0])
    assert rest.row == first.row + len(first.valid)
    assert np.array_equal(np.concatenate([first.rewards, rest.rewards]), fragment.rewards)


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
