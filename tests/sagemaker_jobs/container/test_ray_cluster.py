"""Hosts of a job agree on the leader, on their resources, and on the end of the cluster."""

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


def hosts(current, group=None, learners=0):
    variables = {"SM_HOSTS": json.dumps(["algo-1", "algo-2", "algo-3"]), "SM_CURRENT_HOST": current}
    variables |= {"BATTERY_LAB_LEARNERS": str(learners)}
    if group is not None:
        variables |= {"BATTERY_LAB_LEARNER_GROUP": group, "SM_INSTANCE_GROUPS_DICT": json.dumps(GROUPS)}
    return Hosts.read(variables)


def test_the_first_of_equal_hosts_leads():
    found = hosts("algo-2")
    assert (found.leader, found.current, found.learners_only) == ("algo-1", "algo-2", False)


def test_the_first_host_of_the_learner_group_leads():
    assert hosts("algo-1", "learner").leader == hosts("algo-3", "learner").leader == "algo-3"


@pytest.mark.parametrize(
    ("current", "learners", "cores"), [("algo-3", 0, "0"), ("algo-3", 2, "2"), ("algo-1", 2, None)]
)
def test_the_learner_group_offers_cores_for_learners_only(current, learners, cores):
    options = dict(
        option.partition("=")[::2]
        for option in ray_cluster.node_options(hosts(current, "learner", learners), "10.0.0.1")
    )
    assert options.get("--num-cpus") == cores
    assert options["--node-ip-address"] == "10.0.0.1"


def test_an_unknown_learner_group_is_an_error():
    with pytest.raises(DataError, match=r"BATTERY_LAB_LEARNER_GROUP=gpu must be one of .*\['learner', 'rollout'\]"):
        hosts("algo-1", "gpu")


def test_a_host_without_an_address_is_an_error(monkeypatch):
    monkeypatch.setattr(ray_cluster, "TIMEOUT_S", 0.0)
    with pytest.raises(DataError, match="the host nowhere.invalid of the job has no address"):
        ray_cluster.address_of("nowhere.invalid")


@pytest.fixture
def head(monkeypatch):
    """A head that listens until it is closed."""
    listening = socket.create_server(("127.0.0.1", 0))
    monkeypatch.setattr(ray_cluster, "PORT", listening.getsockname()[1])
    monkeypatch.setattr(ray_cluster, "POLL_S", 0.02)
    monkeypatch.setattr(ray_cluster, "address_of", lambda host: "127.0.0.1")
    monkeypatch.setattr(ray_cluster, "run_ray", lambda *_: None)
    yield listening
    listening.close()


def replace_ray(monkeypatch, seconds):
    """Replace Ray on this host by a process that runs for so many seconds."""
    script = f"import time; print('out of memory', flush=True); time.sleep({seconds})"
    popen = subprocess.Popen
    started = []

    def start(command, **options):
        started.append(popen([sys.executable, "-c", script], **options))
        return started[-1]

    monkeypatch.setattr(ray_cluster.subprocess, "Popen", start)
    return started


def test_a_host_serves_until_the_head_is_gone_and_tolerates_failed_connections(head, monkeypatch):
    started = replace_ray(monkeypatch, 60)
    connect_error, errors = ray_cluster.connect_error, iter([errno.EAGAIN, 0, errno.ECONNREFUSED, 0])
    monkeypatch.setattr(ray_cluster, "connect_error", lambda host: connect_error(host) or next(errors, 0))
    serving = threading.Thread(target=ray_cluster.serve_cluster, args=(hosts("algo-2"), "127.0.0.1"), daemon=True)
    serving.start()
    serving.join(0.5)
    assert serving.is_alive()
    head.close()
    serving.join(10)
    assert not serving.is_alive()
    started[0].kill()


def test_a_host_whose_own_ray_node_ends_reports_its_output(head, monkeypatch):
    replace_ray(monkeypatch, 0)
    with pytest.raises(DataError, match="Ray ended on algo-2 while the job's trial was running: out of memory"):
        ray_cluster.serve_cluster(hosts("algo-2"), "127.0.0.1")


def test_a_head_that_does_not_start_is_an_error(head, monkeypatch):
    head.close()
    monkeypatch.setattr(ray_cluster, "TIMEOUT_S", 0.1)
    with pytest.raises(DataError, match="algo-1 has not started the job's Ray cluster after 0.1 s"):
        ray_cluster.serve_cluster(hosts("algo-2"), "127.0.0.1")
