"""Fragments that the array runner samples: resets, row numbers, splits and data types."""

from __future__ import annotations

import numpy as np
import pytest
import ray
import tree
from ray.rllib.algorithms.dqn import DQNConfig

from battery_lab.rllib.runners.fragment import Fragment
from tests.rllib.runners.scripted_runner import runner
from tests.rllib.scripted_env import ScriptedEnv

pytestmark = pytest.mark.usefixtures("one_torch_thread")


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


@pytest.mark.parametrize("dtype", [np.float64, np.uint8, np.int64])
def test_observations_become_float32(dtype):
    class Numbered(ScriptedEnv):
        def _seen(self):
            return super()._seen().astype(dtype)

    fragment = runner(DQNConfig(), lambda n, seed: Numbered((3,), (True,), n)).sample(num_timesteps=20)[0]
    assert fragment.obs.dtype == np.float32
    assert fragment.obs[:3, 0, 2].tolist() == [0, 1, 2]


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
