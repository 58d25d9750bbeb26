"""Options of backends: which runs compile gradient steps, when and how urgently, and who gets a replay buffer."""

from __future__ import annotations

import pytest
from ray.rllib.algorithms.dqn import DQN
from ray.rllib.algorithms.ppo import PPO
from ray.rllib.algorithms.sac import SAC
from ray.rllib.algorithms.tqc import TQC

from battery_lab.common.errors import ConfigError
from battery_lab.rllib.rollout_backends import ArrayBackend, StockBackend


def backend(**changes):
    choices = {"compile": True, "compile_after": 200, "compile_after_off_policy": 1000, "cache": "programs"}
    return ArrayBackend(**choices | changes)


@pytest.mark.parametrize(("algorithm", "after", "hurry"), [(PPO, 200, True), (DQN, 1000, False), (SAC, 1000, False)])
def test_runs_compile_if_they_are_long_enough(algorithm, after, hurry):
    short, long = (backend().parts(algorithm, steps).options for steps in (1.5 * after - 1, 1.5 * after))
    assert short["compile_cache"] is None and long["compile_cache"] == "programs"
    assert (long["compile_after"], long["compile_urgent"]) == (after, hurry)


def test_compile_false_disables_compilation():
    assert backend(compile=False).parts(PPO, 1e9).options["compile_cache"] is None


@pytest.mark.parametrize("name", ["compile_after", "compile_after_off_policy"])
def test_negative_compile_after_is_rejected(name):
    with pytest.raises(ConfigError, match=rf"rollout\.{name} must be a whole number, 0 or more gradient steps, got -1"):
        backend(**{name: -1})


REPLAY = {"capacity": 100, "prioritised": True, "alpha": 0.6, "beta": 0.4, "seed": 0}


@pytest.mark.parametrize("algorithm", [DQN, SAC])
def test_algorithms_with_an_array_learner_get_a_replay_buffer(algorithm):
    assert backend().replay_config(algorithm, **REPLAY) == {"type": "EpisodeReplayBuffer"} | REPLAY


def test_other_algorithms_with_a_replay_buffer_need_the_stock_backend():
    with pytest.raises(
        ConfigError, match="rollout=array has replay buffers for DQN and SAC only, got TQC: use rollout=stock"
    ):
        backend().replay_config(TQC, **REPLAY)
    assert StockBackend().replay_config(TQC, **REPLAY)["type"] == "PrioritizedEpisodeReplayBuffer"
