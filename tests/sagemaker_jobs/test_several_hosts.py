"""Jobs of several hosts: one Ray cluster, with the learner in its group and env runners on all other hosts."""

from __future__ import annotations

import os
import re
from importlib.util import find_spec

import pytest

from tests.sagemaker_jobs.conftest import missing
from tests.sagemaker_jobs.lab_sweeps import JOBS, Lab, metrics


def reason_to_skip():
    """Return why hosts cannot be isolated on this machine; None if they can."""
    if missing() or find_spec("sagemaker_emulator") is None:
        return f"the extra aws or the emulator is not installed: {missing()}"
    from sagemaker_emulator import namespaces_work

    return namespaces_work()


pytestmark = [
    pytest.mark.walk,
    pytest.mark.slow,
    pytest.mark.skipif(reason_to_skip() is not None, reason=str(reason_to_skip())),
]
GROUPS = (
    "hydra.launcher.instance_type=null",
    "hydra.launcher.instance_count=null",
    "hydra.launcher.instance_groups=[{name:rollout,type:ml.c5.xlarge,count:1},{name:learner,type:ml.g5.xlarge,count:1}]",
    "hydra.launcher.learner_group=learner",
)


@pytest.fixture
def lab(tmp_path):
    sweeps = Lab(tmp_path, "seed=0")
    yield sweeps
    sweeps.close()


def actors_by_host(folder):
    log = (folder / "0" / "trial.log").read_text()
    (actors,) = re.findall(r"Ray actors by host: (.*)", log)
    return {host: int(count) for host, count in (part.split() for part in actors.split(", "))}, log


def test_the_learner_runs_in_its_group_and_env_runners_in_the_other(lab):
    folder = lab.sweep("groups", *JOBS, *GROUPS, "algo.num_env_runners=2")
    spread, log = actors_by_host(folder)
    # Hosts are numbered group by group: the learner is on the second.
    assert spread == {"algo-1": 2}
    assert re.search(r"--- \S+/algo-2-\d+\n(?:(?!---).*\n)*one Ray cluster of 2 hosts", log), log
    assert metrics(folder / "0")["train/env_steps"] >= 4096


def test_env_runners_spread_over_equal_hosts(lab):
    each = os.cpu_count() or 1
    folder = lab.sweep("hosts", *JOBS, "hydra.launcher.instance_count=2", f"algo.num_env_runners={2 * each}")
    spread, _ = actors_by_host(folder)
    assert spread == {"algo-1": each, "algo-2": each}
    assert metrics(folder / "0")["train/env_steps"] >= 4096
