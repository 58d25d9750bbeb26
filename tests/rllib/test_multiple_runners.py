"""Several env runners in separate processes feed one learner."""

from __future__ import annotations

import numpy as np
import pytest
from ray.rllib.algorithms.dqn import DQNConfig
from ray.rllib.algorithms.ppo import PPOConfig

from tests.rllib.remote_training import PPO, replayed, train


@pytest.mark.parametrize(
    "config",
    [
        pytest.param(PPOConfig().training(**PPO), id="ppo", marks=pytest.mark.walk),
        pytest.param(DQNConfig().training(**replayed()), id="dqn", marks=pytest.mark.slow),
    ],
)
def test_two_runners_feed_one_learner(config, own_ray):
    results, weights, acting = train(config, num_env_runners=2)
    assert results[-1]["env_runners"]["num_env_steps_sampled_lifetime"] >= 2 * 64
    lengths = [results[-1]["env_runners"][f"episode_len_{which}"] for which in ("min", "max")]
    assert lengths == [7, 11]
    assert len(acting) == 3
    for module in acting[1:]:
        assert all(np.array_equal(module[name], weights[name]) for name in module)
