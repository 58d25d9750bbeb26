"""The workload that all implementations share."""

from __future__ import annotations

import pytest

from benchmarks import implementations
from benchmarks.workload import Workload


@pytest.mark.parametrize("algo", ["dqn", "sac"])
def test_updates_match_the_training_intensity(algo: str) -> None:
    workload = Workload(algo=algo, fragment=4)
    assert workload.updates * workload.options["batch"] / (workload.fragment * workload.num_envs) == 16


def test_window_observation_has_292_numbers() -> None:
    assert Workload(algo="ppo").vector_env().single_observation_space.shape == (292,)


def test_batches_of_all_sizes_have_at_least_4096_steps() -> None:
    for workload, _ in implementations.scaling_groups().values():
        assert workload["num_envs"] * workload["fragment"] >= 4096
