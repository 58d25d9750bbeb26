"""Whom the lab is compared with: the plain loop, Stable-Baselines3, and what stock RLlib learns."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from benchmarks.equal_learning import compare
from benchmarks.peers.torch_ppo import advantages
from benchmarks.workload import Workload

# --- the plain loop ---


def test_advantages_look_through_a_cut_and_not_through_an_end() -> None:
    rewards, values = torch.ones(3, 2), torch.tensor([[0.0, 0.0], [10.0, 10.0], [10.0, 10.0], [10.0, 10.0]])
    ended = torch.tensor([[True, True], [False, False], [False, False]])
    terminated = torch.tensor([[False, True], [False, False], [False, False]])
    found = advantages(rewards, values, terminated, ended, 0.5, 1.0)
    # The first is cut off, so that what its last state is worth counts; the second is over.
    assert found[0].tolist() == [6.0, 1.0]
    assert found[1].tolist() == [-9 + 5 + 0.5 * (-9 + 5)] * 2


# --- equal learning ---


def test_intervals_are_those_of_students_and_welchs_formulas() -> None:
    stock, array = np.array([500.0, 480.0, 490.0, 470.0, 485.0]), np.array([495.0, 500.0, 460.0, 440.0, 480.0])
    found = compare(list(stock), list(array))
    t_of_4 = 2.776445  # 97.5 % quantile of Student's t with 4 degrees of freedom
    half = t_of_4 * (array - stock).std(ddof=1) / 5**0.5
    assert np.array(found["interval"]) * 485.0 == pytest.approx([-10 - half, -10 + half], rel=1e-5)
    assert found["difference"] == pytest.approx(475 / 485 - 1)
    # Two samples that scatter alike: as many degrees of freedom as two variances have, 8.
    half = 2.306004 * (2 * stock.var(ddof=1) / 5) ** 0.5
    alike = compare(list(stock), list(stock[::-1] + 10))
    assert np.array(alike["welch_interval"]) * 485.0 == pytest.approx([10 - half, 10 + half], rel=1e-5)


def test_seeds_that_all_move_by_as_much_leave_no_doubt() -> None:
    found = compare([100.0, 200.0, 300.0], [101.0, 201.0, 301.0])
    assert found["interval"] == pytest.approx([0.005, 0.005]) and found["spreads"]


def test_seeds_that_go_the_same_way_on_both_paths_are_equal_however_they_scatter() -> None:
    found = compare([100.0, 300.0, 500.0], [101.0, 299.0, 501.0])
    assert found["within_margin"] and found["welch_interval"][0] < -0.5


def test_equal_means_that_scatter_are_not_shown_to_be_equal() -> None:
    assert not compare([100.0, 300.0, 500.0], [300.0, 500.0, 100.0])["within_margin"]
    near, same = (compare([500.0, low, 500.0], [500.0, 500.0, low]) for low in (499.0, 500.0))
    assert near["within_margin"] and near["spreads"]
    assert same["within_margin"] and not same["spreads"]


# --- Stable-Baselines3 ---


def test_new_episodes_begin_within_the_step_of_stable_baselines3() -> None:
    pytest.importorskip("stable_baselines3")
    from benchmarks.peers.sb3 import LabVecEnv

    work = Workload(algo="ppo", num_envs=16, observation="compact")
    ours, theirs = work.vector_env(), LabVecEnv(work.vector_env())
    ours.reset()
    theirs.reset()
    hold = np.ones(16, np.int64)
    for _ in range(3000):
        observation, _, _, truncated, _ = ours.step(hold)
        begun, _, done, infos = theirs.step(hold)
        if truncated.any():
            break
    assert np.array_equal(done, truncated)
    for i in range(16):
        if truncated[i]:
            assert np.array_equal(infos[i]["terminal_observation"], observation[i])
            assert infos[i]["TimeLimit.truncated"]
        else:
            assert np.array_equal(begun[i], observation[i])
    # What the lab's environment shows one step later, where it begins anew.
    assert np.array_equal(begun[truncated], ours.step(hold)[0][truncated])
    assert np.array_equal(theirs.step(hold)[0][truncated], ours.step(hold)[0][truncated])
