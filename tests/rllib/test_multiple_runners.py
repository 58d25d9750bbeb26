"""Several runners and learners in separate processes."""

from __future__ import annotations

import logging

import numpy as np
import pytest
import ray
import torch
from ray.rllib.algorithms.dqn import DQN, DQNConfig
from ray.rllib.algorithms.ppo import PPOConfig

from battery_lab.rllib.log_capture import WarningCapture
from tests.rllib.small_algorithms import ScriptedEnv, array_backend, configured


def scripted(num_envs, seed):
    return ScriptedEnv((7, 11), (True, False), num_envs)


@pytest.fixture
def own_ray():
    # A Ray that an earlier test started has that test's working directory, in which imports of this project may fail.
    ray.shutdown()
    yield
    ray.shutdown()


def train(config, rounds=2, learners=0, **runners):
    built = configured(config, scripted, **runners).learners(num_learners=learners).build_algo()
    results = [built.train() for _ in range(rounds)]
    weights = built.learner_group.get_weights()["default_policy"]
    acting = built.env_runner_group.foreach_env_runner(lambda runner: runner.module.get_state())
    each = built.learner_group.foreach_learner(lambda learner: learner.module["default_policy"].get_state())
    apart = [one.get() for one in each]
    built.stop()
    assert all(np.array_equal(np.asarray(one[name]), np.asarray(apart[0][name])) for one in apart for name in one)
    return results, weights, acting


def configured_with_nothing_finite():
    return PPOConfig().training(**PPO | {"lambda_": float("nan")})


PPO = {"train_batch_size_per_learner": 256, "minibatch_size": 64, "num_epochs": 2}


def replayed():
    replay = array_backend().replay_config(DQN, capacity=2000, prioritised=True, alpha=0.6, beta=0.4, seed=1)
    return {
        "train_batch_size_per_learner": 64,
        "training_intensity": 2,
        "num_steps_sampled_before_learning_starts": 64,
        "replay_buffer_config": replay,
    }


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


def test_warnings_are_kept_until_they_are_taken():
    capture, log = WarningCapture(), logging.getLogger("battery_lab.rllib.learners.array_learner")
    try:
        log.info("nothing of note")
        for step in range(30):
            log.warning("step %d is left out", step)
        assert capture.take() == [f"step {step} is left out" for step in range(10, 30)]
        assert capture.take() == []
    finally:
        logging.getLogger("battery_lab").removeHandler(capture)


@pytest.mark.slow
def test_warnings_of_a_remote_learner_are_logged_here(caplog, own_ray):
    train(configured_with_nothing_finite(), learners=1, rounds=1)
    assert "learner 0: a gradient is not finite" in caplog.text


@pytest.mark.slow
@pytest.mark.parametrize(
    "config", [PPOConfig().training(**PPO), DQNConfig().training(**replayed())], ids=["ppo", "dqn"]
)
def test_two_learners_share_their_gradients(config, own_ray):
    results, weights, _ = train(config, rounds=3, learners=2)
    assert all(np.isfinite(values).all() for values in weights.values())
    assert np.isfinite(results[-1]["learners"]["default_policy"]["total_loss"])


@pytest.mark.slow
def test_td_errors_of_two_learners_return_to_their_transitions(own_ray):
    config = configured(DQNConfig().training(**replayed() | {"lr": 0.0}), scripted).learners(num_learners=2)
    algorithm = config.build_algo()
    memory, samples, updates = algorithm.local_replay_buffer, [], []
    sample, update = memory.sample, memory.update_priorities

    def recorded(count):
        columns = sample(count)
        samples.append({name: torch.from_numpy(values.copy()) for name, values in columns.items()})
        return columns

    memory.sample = recorded
    memory.update_priorities = lambda errors: (updates.append(np.array(errors)), update(errors))
    for _ in range(3):
        algorithm.training_step()

    def errors(learner):
        # With a learning rate of 0, the networks have not changed since the step.
        return learner.loss_function()(learner._rl_module, samples[-1], learner.coefficients())[1]["td_error"].numpy()

    expected = next(iter(algorithm.learner_group.foreach_learner(errors))).get()
    algorithm.stop()
    assert len(np.unique(np.round(expected, 4))) > 32
    assert np.allclose(updates[-1], expected, atol=1e-4)
