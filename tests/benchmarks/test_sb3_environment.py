"""Stable-Baselines3 as a peer: its environment resets within a step, and is the lab's otherwise."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.workload import Workload


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
