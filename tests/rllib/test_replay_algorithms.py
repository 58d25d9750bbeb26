"""DQN and SAC with an array replay buffer: training intensity, metrics, priorities and resumption."""

from __future__ import annotations

import numpy as np
import pytest
from ray.rllib.algorithms.dqn import DQN, DQNConfig
from ray.rllib.algorithms.sac import SACConfig

from battery_lab.rllib.rollout_backends import ArrayBackend
from tests.rllib.scripted_env import ScriptedEnv
from tests.rllib.small_configs import configured

pytestmark = pytest.mark.usefixtures("one_torch_thread")


def build(config=None, prioritised=False, iteration=0, **options):
    rollout = ArrayBackend(compile=False, compile_after=0, compile_after_off_policy=0, cache="")
    replay = rollout.replay_config(DQN, capacity=2000, prioritised=prioritised, alpha=0.6, beta=0.4, seed=1)
    settings = {
        "train_batch_size_per_learner": 32,
        "training_intensity": 3.3,
        "num_steps_sampled_before_learning_starts": 64,
        "replay_buffer_config": replay,
        "n_step": 2,
    }
    chosen = (config or DQNConfig()).training(**settings | options)
    chosen.reporting(min_time_s_per_iteration=0, min_sample_timesteps_per_iteration=iteration)
    make = lambda num_envs, seed: ScriptedEnv((7, 11), (True, False), num_envs)  # noqa: E731
    return configured(chosen, make, num_envs_per_env_runner=4, rollout_fragment_length=5).build_algo()


@pytest.fixture
def algorithm():
    built = build()
    yield built
    built.stop()


def trained_on(algorithm, rounds):
    steps = []
    update = algorithm.learner_group._learner.step
    algorithm.learner_group._learner.step = lambda batch, times: (
        steps.append(len(batch["obs"])),
        update(batch, times),
    )[1]
    for _ in range(rounds):
        algorithm.training_step()
    return steps


def test_training_intensity_holds_exactly(algorithm):
    for _ in range(4):
        algorithm.training_step()
    before = len(algorithm.local_replay_buffer)
    steps = trained_on(algorithm, 40)
    sampled = len(algorithm.local_replay_buffer) - before
    assert set(steps) == {32}
    assert abs(len(steps) * 32 - 3.3 * sampled) <= 2 * 32


def test_learning_starts_after_enough_samples(algorithm):
    assert trained_on(algorithm, 3) == []
    assert len(trained_on(algorithm, 3)) > 0


def steps_of(algorithm):
    return algorithm.learner_group._learner.gradient_steps


@pytest.mark.parametrize("intensity", [3.3, 0.4])
def test_metrics_are_aggregated_once_per_iteration_and_complete(intensity):
    built = build(training_intensity=intensity, iteration=120)
    gathered, gather = [], built.env_runner.get_metrics
    built.env_runner.get_metrics = lambda: gathered.append(1) or gather()
    for iteration in range(1, 5):
        before = steps_of(built)
        result = built.train()
        steps, sampled = steps_of(built) - before, result["env_runners"]["num_env_steps_sampled"]
        assert len(gathered) == iteration and result["num_training_step_calls_per_iteration"] > 1
        assert 120 <= sampled < 140
        if iteration == 1:
            continue  # with few gradient steps, or none
        learned = result["learners"]["default_policy"]
        assert learned["num_module_steps_trained"] == 32 * steps and np.isfinite(learned["total_loss"])
        assert learned["num_module_steps_trained_lifetime"] == 32 * steps_of(built)
        assert steps == pytest.approx(sampled * intensity / 32, abs=1)
    built.stop()


def test_state_within_an_iteration_counts_all_samples(tmp_path):
    built, other = build(iteration=1000), build(iteration=1000)
    for _ in range(7):
        built.training_step()
    sampled = built.env_steps
    built.save_to_path(str(tmp_path / "rllib"))
    other.restore_from_path(str(tmp_path / "rllib"))
    assert sampled > 100 and built.env_steps == other.env_steps == sampled
    for one in (built, other):
        assert one.metrics.peek(("learners", "default_policy", "num_module_steps_trained_lifetime")) == 32 * steps_of(
            one
        )
        one.stop()


@pytest.mark.parametrize("config", [DQNConfig, SACConfig])
def test_td_errors_become_priorities(config):
    built = build(config(), prioritised=True)
    seen = []
    built.local_replay_buffer.update_priorities = lambda errors: seen.append(errors)
    for _ in range(8):
        built.training_step()
    built.stop()
    assert seen and all(errors.shape == (32,) and (errors >= 0).all() for errors in seen)


def test_replay_buffer_and_due_updates_are_restored(algorithm, tmp_path):
    for _ in range(9):
        algorithm.training_step()
    algorithm.save_to_path(str(tmp_path / "rllib"))
    algorithm.save_memory(tmp_path / "memory", None)
    other = build()
    other.restore_from_path(str(tmp_path / "rllib"))
    other.load_memory(tmp_path / "memory")
    assert other.updates_due == algorithm.updates_due
    samples, restored = algorithm.local_replay_buffer.sample(64), other.local_replay_buffer.sample(64)
    assert all(np.array_equal(samples[name], restored[name]) for name in samples)
    other.stop()


def test_memory_of_the_replay_buffer_is_logged(algorithm, caplog):
    algorithm.training_step()
    assert "GiB" in caplog.text and "2,000" in caplog.text.replace("2000", "2,000")


def test_runner_gets_the_weights_of_the_learner(algorithm):
    for _ in range(10):
        algorithm.training_step()
    learned = algorithm.learner_group._learner.module["default_policy"].state_dict()
    acting = algorithm.env_runner.module.state_dict()
    assert acting and all(np.array_equal(acting[name], learned[name]) for name in acting)
