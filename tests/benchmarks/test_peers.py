"""The peers of the lab: the plain torch loop and Stable-Baselines3."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from benchmarks.peers.torch_ppo import advantages
from benchmarks.workload import Workload

# --- plain torch loop ---


def test_advantages_bootstrap_at_truncation_and_not_at_termination() -> None:
    rewards, values = torch.ones(3, 2), torch.tensor([[0.0, 0.0], [10.0, 10.0], [10.0, 10.0], [10.0, 10.0]])
    ended = torch.tensor([[True, True], [False, False], [False, False]])
    terminated = torch.tensor([[False, True], [False, False], [False, False]])
    found = advantages(rewards, values, terminated, ended, 0.5, 1.0)
    # The first episode is truncated, so the value of its last state counts; the second is terminated.
    assert found[0].tolist() == [6.0, 1.0]
    assert found[1].tolist() == [-9 + 5 + 0.5 * (-9 + 5)] * 2


# --- Stable-Baselines3 ---


def test_sb3_environment_resets_within_the_step() -> None:
    pytest.importorskip("stable_baselines3")
    from benchmarks.peers.sb3 import LabVecEnv

    workload = Workload(algo="ppo", num_envs=16, observation="compact")
    ours, theirs = workload.vector_env(), LabVecEnv(workload.vector_env())
    ours.reset()
    theirs.reset()
    hold = np.ones(16, np.int64)
    for _ in range(3000):
        observation, _, _, truncated, _ = ours.step(hold)
        started, _, done, infos = theirs.step(hold)
        if truncated.any():
            break
    assert np.array_equal(done, truncated)
    for i in range(16):
        if truncated[i]:
            assert np.array_equal(infos[i]["terminal_observation"], observation[i])
            assert infos[i]["TimeLimit.truncated"]
        else:
            assert np.array_equal(started[i], observation[i])
    # The lab's environment resets one step later.
    assert np.array_equal(started[truncated], ours.step(hold)[0][truncated])
    assert np.array_equal(theirs.step(hold)[0][truncated], ours.step(hold)[0][truncated])
