"""Runners of scripted environments."""

from __future__ import annotations

import numpy as np
from ray.rllib.algorithms.ppo import PPOConfig

from battery_lab.rllib.runners.array_runner import ArrayEnvRunner
from battery_lab.rllib.runners.checkpointed_runner import CheckpointedEnvRunner
from tests.rllib.scripted_env import ScriptedEnv
from tests.rllib.small_configs import configured


def scripted(lengths=(3, 5), terminates=(True, False), box=False):
    return lambda num_envs, seed: ScriptedEnv(lengths, terminates, num_envs, box)


def runner(config=None, make_env=None, array=True, **settings):
    config = configured(config or PPOConfig(), make_env or scripted(), array, **settings)
    return (ArrayEnvRunner if array else CheckpointedEnvRunner)(config=config)


def sorted_rows(columns):
    """Return all transitions as rows of numbers, sorted."""
    rows = np.concatenate([values.reshape(len(values), -1) for values in columns.values()], axis=1).astype(np.float32)
    return rows[np.lexsort(rows.T)]
