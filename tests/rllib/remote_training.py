"""Training of small algorithms with learners or env runners in separate processes."""

from __future__ import annotations

import numpy as np
from ray.rllib.algorithms.dqn import DQN

from tests.rllib.scripted_env import ScriptedEnv
from tests.rllib.small_configs import array_backend, configured

PPO = {"train_batch_size_per_learner": 256, "minibatch_size": 64, "num_epochs": 2}


def scripted(num_envs, seed):
    """Return scripted environments whose episodes have 7 and 11 steps."""
    return ScriptedEnv((7, 11), (True, False), num_envs)


def replayed():
    """Return options of a small DQN with prioritised replay."""
    replay = array_backend().replay_config(DQN, capacity=2000, prioritised=True, alpha=0.6, beta=0.4, seed=1)
    return {
        "train_batch_size_per_learner": 64,
        "training_intensity": 2,
        "num_steps_sampled_before_learning_starts": 64,
        "replay_buffer_config": replay,
    }


def train(config, rounds=2, learners=0, **runners):
    """Train with remote learners or runners, and return the results, the weights and the networks of the runners."""
    built = configured(config, scripted, **runners).learners(num_learners=learners).build_algo()
    results = [built.train() for _ in range(rounds)]
    weights = built.learner_group.get_weights()["default_policy"]
    acting = built.env_runner_group.foreach_env_runner(lambda runner: runner.module.get_state())
    each = built.learner_group.foreach_learner(lambda learner: learner.module["default_policy"].get_state())
    apart = [one.get() for one in each]
    built.stop()
    assert all(np.array_equal(np.asarray(one[name]), np.asarray(apart[0][name])) for one in apart for name in one)
    return results, weights, acting
