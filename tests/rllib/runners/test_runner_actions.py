"""Actions of the array runner: greedy, annealed, random and unsquashed."""

from __future__ import annotations

import gymnasium as gym
import numpy as np
import pytest
from ray.rllib.algorithms.dqn import DQNConfig
from ray.rllib.algorithms.ppo import PPOConfig
from ray.rllib.algorithms.sac import SACConfig

from tests.rllib.runners.scripted_runner import runner, scripted
from tests.rllib.scripted_env import ScriptedEnv

pytestmark = pytest.mark.usefixtures("one_torch_thread")


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
