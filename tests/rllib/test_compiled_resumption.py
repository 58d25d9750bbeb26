"""Resumption before and after the compiled steps take over is exact."""

from __future__ import annotations

import shutil

import numpy as np
import pytest
from ray.rllib.algorithms.dqn import DQNConfig
from ray.rllib.algorithms.ppo import PPOConfig
from ray.rllib.algorithms.sac import SACConfig
from ray.rllib.core import DEFAULT_MODULE_ID

from battery_lab.rllib.rollout_backends import ArrayBackend
from tests.rllib.gradient_step.small_regression import moments
from tests.rllib.scripted_env import ScriptedEnv
from tests.rllib.small_configs import configured
from tests.rllib.stand_in_compiler import StandIns

pytestmark = pytest.mark.usefixtures("one_torch_thread")

AFTER, ROUNDS = 6, 12
REPLAY = {"capacity": 2_000, "prioritised": True, "alpha": 0.6, "beta": 0.4, "seed": 0}
LEARNING = {
    PPOConfig: {"minibatch_size": 32, "num_epochs": 2, "train_batch_size_per_learner": 64},
    **dict.fromkeys(
        (DQNConfig, SACConfig),
        {
            "train_batch_size_per_learner": 32,
            "training_intensity": 2,
            "num_steps_sampled_before_learning_starts": 32,
        },
    ),
}


def build(kind, cache):
    """Build an algorithm with compiled gradient steps."""
    scripted = lambda num_envs, seed: ScriptedEnv((4, 6, 9), (True, False, False), num_envs)  # noqa: E731
    rollout = ArrayBackend(compile=True, compile_after=AFTER, compile_after_off_policy=AFTER, cache=str(cache))
    config = configured(kind().training(**LEARNING[kind]), scripted, rollout_fragment_length=16)
    config.training(learner_config_dict=dict(rollout.parts(kind().algo_class, gradient_steps=1e9).options))
    if kind is not PPOConfig:
        config.training(replay_buffer_config=rollout.replay_config(kind().algo_class, **REPLAY))
    return config.build_algo()


def rounds(algorithm, count):
    for _ in range(count):
        algorithm.training_step()
    return algorithm.learner_group._learner


def weights(learner):
    """Return everything that a run has learned: weights, optimizer moments and coefficients."""
    state = {name: values.numpy().copy() for name, values in learner._rl_module.state_dict().items()}
    moment_values = [tensor.numpy().copy() for tensor in moments(learner.get_optimizers_for_module(DEFAULT_MODULE_ID))]
    coefficients = {name: tensor.detach().numpy().copy() for name, tensor in learner.coefficients().items()}
    return state | {f"moment {place}": values for place, values in enumerate(moment_values)} | coefficients


def check_resumption(kind, tmp_path):
    whole = build(kind, tmp_path)
    stops = {}
    for done in range(ROUNDS):
        learner = rounds(whole, 1)
        if learner.gradient_steps < AFTER or "after" not in stops:
            when = "before" if learner.gradient_steps < AFTER else "after"
            stops[when] = ROUNDS - 1 - done
            whole.save_to_path(str(tmp_path / when))
            if kind is not PPOConfig:
                whole.save_memory(tmp_path / f"{when}_memory", None)
    assert learner.stepper.uses_compiled_program
    expected = weights(learner)
    whole.stop()
    for when, left in stops.items():
        other = build(kind, tmp_path)
        other.restore_from_path(str(tmp_path / when))
        if kind is not PPOConfig:
            other.load_memory(tmp_path / f"{when}_memory")
        resumed = weights(rounds(other, left))
        other.stop()
        assert all(np.array_equal(resumed[name], expected[name]) for name in expected), when
    assert set(stops) == {"before", "after"}


@pytest.mark.parametrize("kind", [DQNConfig, SACConfig])
def test_traced_off_policy_steps_resume_exactly(kind, monkeypatch, tmp_path):
    programs = StandIns(monkeypatch).made
    check_resumption(kind, tmp_path)
    assert len(programs) == 1 and programs[0].runs > 0


def test_an_algorithm_that_goes_back_before_the_take_over_waits_again(monkeypatch, tmp_path):
    compiler = StandIns(monkeypatch)
    algorithm = build(PPOConfig, tmp_path / "programs")
    rounds(algorithm, 1)
    assert not algorithm.waits_for_compiler()
    algorithm.save_to_path(str(tmp_path / "before"))
    learner = rounds(algorithm, 3)
    assert learner.stepper.uses_compiled_program and not algorithm.waits_for_compiler()
    algorithm.restore_from_path(str(tmp_path / "before"))
    monkeypatch.setattr(learner.stepper, "waits_before", lambda number: True)
    assert algorithm.waits_for_compiler()
    algorithm.stop()
    assert compiler.made


@pytest.mark.walk
@pytest.mark.skipif(shutil.which("g++") is None, reason="needs g++ (make system)")
@pytest.mark.parametrize(
    "kind", [PPOConfig, *(pytest.param(kind, marks=pytest.mark.slow) for kind in (DQNConfig, SACConfig))]
)
def test_compiled_steps_resume_exactly(kind, tmp_path):
    check_resumption(kind, tmp_path)
