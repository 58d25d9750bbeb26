"""The experiment of a sweep has a name that the service accepts."""

from __future__ import annotations

from sagemaker_jobs.aws.experiments import experiment_name


def test_long_names_of_sweeps_stay_different():
    names = {experiment_name(f"algo=ppo,dqn_{'x' * 80}_{n:08x}") for n in (1, 2)}
    assert len(names) == 2 and all(len(name) <= 59 for name in names)
