"""Jobs of several hosts: one Ray cluster, over which runners spread, with the learner where it was asked for."""

from __future__ import annotations

import os
import re
from importlib.util import find_spec

import pytest

from tests.sagemaker_jobs.conftest import missing
from tests.sagemaker_jobs.rehearsals import JOBS, Lab, figures


def why_not():
    """Return why hosts cannot be kept apart on this machine, if they cannot."""
    if missing() or find_spec("sagemaker_emulator") is None:
        return f"the extras aws and rehearsal are not installed: {missing()}"
    from sagemaker_emulator import namespaces_work

    return namespaces_work()


pytestmark = [pytest.mark.slow, pytest.mark.skipif(why_not() is not None, reason=str(why_not()))]
GROUPS = (
    "hydra.launcher.instance_type=null",
    "hydra.launcher.instance_count=null",
    "hydra.launcher.instance_groups=[{name:rollout,type:ml.c5.xlarge,count:1},{name:learner,type:ml.g5.xlarge,count:1}]",
    "hydra.launcher.learner_group=learner",
)


@pytest.fixture
def lab(tmp_path):
    made = Lab(tmp_path, "seed=0")
    yield made
    made.close()


def actors(folder):
    log = (folder / "0" / "trial.log").read_text()
    (told,) = re.findall(r"Ray actors by host: (.*)", log)
    return {host: int(count) for host, count in (one.split() for one in told.split(", "))}, log


def test_a_learner_is_placed_in_its_group_and_its_runners_in_the_other(lab):
    folder = lab.sweep("groups", *JOBS, *GROUPS, "algo.num_env_runners=2")
    spread, log = actors(folder)
    # The groups' hosts are numbered as they come: the learner is on the second.
    assert spread == {"algo-1": 2}
    assert re.search(r"--- \S+/algo-2-\d+\n(?:(?!---).*\n)*one Ray cluster of 2 hosts", log), log
    assert figures(folder / "0")["train/env_steps"] >= 4096


def test_runners_spread_over_equal_hosts(lab):
    each = os.cpu_count() or 1
    folder = lab.sweep("hosts", *JOBS, "hydra.launcher.instance_count=2", f"algo.num_env_runners={2 * each}")
    spread, _ = actors(folder)
    assert spread == {"algo-1": each, "algo-2": each}
    assert figures(folder / "0")["train/env_steps"] >= 4096
