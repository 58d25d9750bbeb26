"""Hosts of a job know who leads, who lends what, and when it is over."""

from __future__ import annotations

import errno
import json
import socket
import subprocess
import sys
import threading

import pytest
from sagemaker_jobs.container import ray_cluster
from sagemaker_jobs.container.ray_cluster import Hosts

from battery_lab.common.errors import DataError

GROUPS = {
    "rollout": {"instance_group_name": "rollout", "instance_type": "ml.c5.xlarge", "hosts": ["algo-1", "algo-2"]},
    "learner": {"instance_group_name": "learner", "instance_type": "ml.g5.xlarge", "hosts": ["algo-3"]},
}


def here(me, group=None, learners=0):
    told = {"SM_HOSTS": json.dumps(["algo-1", "algo-2", "algo-3"]), "SM_CURRENT_HOST": me}
    told |= {"BATTERY_LAB_LEARNERS": str(learners)}
    if group is not None:
        told |= {"BATTERY_LAB_LEARNER_GROUP": group, "SM_INSTANCE_GROUPS_DICT": json.dumps(GROUPS)}
    return Hosts.here(told)


def test_the_first_host_leads_where_all_are_equal():
    mine = here("algo-2")
    assert (mine.learner, mine.me, mine.apart) == ("algo-1", "algo-2", False)


def test_the_learner_is_placed_in_its_group():
    assert here("algo-1", "learner").learner == here("algo-3", "learner").learner == "algo-3"


@pytest.mark.parametrize(("me", "learners", "cores"), [("algo-3", 0, "0"), ("algo-3", 2, "2"), ("algo-1", 2, None)])
def test_runners_find_no_core_beside_the_learners(me, learners, cores):
    options = dict(
        option.partition("=")[::2] for option in ray_cluster._options(here(me, "learner", learners), "10.0.0.1")
    )
    assert options.get("--num-cpus") == cores
    assert options["--node-ip-address"] == "10.0.0.1"


def test_a_group_that_is_none_of_the_jobs_is_told():
    with pytest.raises(DataError, match=r"BATTERY_LAB_LEARNER_GROUP=gpu must be one of .*\['learner', 'rollout'\]"):
        here("algo-1", "gpu")


def test_a_host_without_an_address_is_told(monkeypatch):
    monkeypatch.setattr(ray_cluster, "PATIENCE_S", 0.0)
    with pytest.raises(DataError, match="the host nowhere.invalid of the job has no address"):
        ray_cluster.address("nowhere.invalid")


@pytest.fixture
def head(monkeypatch):
    """A head that listens until it is closed."""
    listening = socket.create_server(("127.0.0.1", 0))
    monkeypatch.setattr(ray_cluster, "PORT", listening.getsockname()[1])
    monkeypatch.setattr(ray_cluster, "LOOK_S", 0.02)
    monkeypatch.setattr(ray_cluster, "address", lambda host: "127.0.0.1")
    monkeypatch.setattr(ray_cluster, "_ray", lambda *_: None)
    yield listening
    listening.close()


def ray_is(monkeypatch, seconds):
    """Have this host's Ray be a process that goes on for so long."""
    lasts = f"import time; print('out of memory', flush=True); time.sleep({seconds})"
    popen = subprocess.Popen
    begun = []

    def start(command, **options):
        begun.append(popen([sys.executable, "-c", lasts], **options))
        return begun[-1]

    monkeypatch.setattr(ray_cluster.subprocess, "Popen", start)
    return begun


def test_a_host_serves_until_its_head_is_gone_and_not_for_one_missed_answer(head, monkeypatch):
    begun = ray_is(monkeypatch, 60)
    answer, silent = ray_cluster._answer, iter([errno.EAGAIN, 0, errno.ECONNREFUSED, 0])
    monkeypatch.setattr(ray_cluster, "_answer", lambda host: answer(host) or next(silent, 0))
    serving = threading.Thread(target=ray_cluster._serve, args=(here("algo-2"), "127.0.0.1"), daemon=True)
    serving.start()
    serving.join(0.5)
    assert serving.is_alive()
    head.close()
    serving.join(10)
    assert not serving.is_alive()
    begun[0].kill()


def test_a_host_whose_own_ray_ends_says_so(head, monkeypatch):
    ray_is(monkeypatch, 0)
    with pytest.raises(DataError, match="Ray ended on algo-2 with the job's trial still running: out of memory"):
        ray_cluster._serve(here("algo-2"), "127.0.0.1")


def test_a_head_that_does_not_come_is_told(head, monkeypatch):
    head.close()
    monkeypatch.setattr(ray_cluster, "PATIENCE_S", 0.1)
    with pytest.raises(DataError, match="algo-1 has not begun the job's Ray cluster after 0.1 s"):
        ray_cluster._serve(here("algo-2"), "127.0.0.1")
