"""The hosts of a job as one Ray cluster: the learner's host leads, the others serve it until it is done."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from battery_lab.errors import DataError

PORT = 6379
TOKEN, LEARNER_GROUP = "ray_token", "BATTERY_LAB_LEARNER_GROUP"
LEARNERS = "BATTERY_LAB_LEARNERS"
PATIENCE_S = 600.0  # hosts of a job come up some minutes apart
LOOK_S = 1.0


@dataclass(frozen=True, kw_only=True)
class Hosts:
    """The hosts of a job.

    Attributes:
        all: their names.
        me: the name of this one.
        learner: the name of the one that runs the trial.
        apart: whether the learner's group is there for learners alone, as other groups roll out.
        learners: RLlib learners in processes of their own, each with a core.
        mine: whether this one is of the learner's group.
    """

    all: Sequence[str]
    me: str
    learner: str
    apart: bool
    learners: int
    mine: bool

    @classmethod
    def here(cls, environment: Mapping[str, str]) -> Hosts:
        """Read what the toolkit says of hosts and groups.

        Raises:
            DataError: the learner's group is none of the job's.
        """
        hosts = json.loads(environment.get("SM_HOSTS") or '["localhost"]')
        me = environment.get("SM_CURRENT_HOST") or hosts[0]
        groups = json.loads(environment.get("SM_INSTANCE_GROUPS_DICT") or "{}")
        wanted = environment.get(LEARNER_GROUP)
        if wanted and wanted not in groups:
            raise DataError(f"{LEARNER_GROUP}={wanted} must be one of the job's instance groups, {sorted(groups)}")
        mine = list(groups[wanted]["hosts"]) if wanted else list(hosts)
        return cls(
            all=hosts,
            me=me,
            learner=mine[0],
            apart=bool(wanted) and len(groups) > 1,
            learners=int(environment.get(LEARNERS) or 0),
            mine=me in mine,
        )


@contextmanager
def cluster(hosts: Hosts, trial: Path) -> Iterator[bool]:
    """Form one cluster of all hosts, if there are several; yields whether this one runs the trial.

    On another host the body begins when the cluster is done, with nothing left to do.

    Args:
        hosts: of the job.
        trial: folder with the cluster's token, which is of this job alone.

    Raises:
        DataError: a host cannot be found, or does not come up.
    """
    if len(hosts.all) == 1:
        yield True
        return
    os.environ |= {
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN": (trial / TOKEN).read_text().strip(),
        "RAY_USAGE_STATS_ENABLED": "0",
    }
    head = address(hosts.learner)
    if hosts.me != hosts.learner:
        _serve(hosts, head)
        yield False
        return
    _start(["--head", f"--port={PORT}", "--include-dashboard=false"], hosts, head)
    try:
        _join(head, len(hosts.all))
        yield True
    finally:
        _ray("stop", "--force")


def address(host: str) -> str:
    """Return the address of a host, for which its name may have to be waited for.

    Raises:
        DataError: nobody knows it.
    """
    deadline = time.monotonic() + PATIENCE_S
    while True:
        try:
            return socket.gethostbyname(host)
        except OSError as error:
            if time.monotonic() > deadline:
                raise DataError(f"the host {host} of the job has no address after {PATIENCE_S:g} s: {error}") from None
            time.sleep(LOOK_S)


def _join(head: str, count: int) -> None:
    """Join the cluster, and wait until all hosts have."""
    import ray

    from battery_lab.rollout.cluster import connect_ray

    connect_ray(f"{head}:{PORT}")
    deadline = time.monotonic() + PATIENCE_S
    while (there := sum(node["Alive"] for node in ray.nodes())) < count:
        if time.monotonic() > deadline:
            raise DataError(f"{there} of {count} hosts have joined the job's Ray cluster after {PATIENCE_S:g} s")
        time.sleep(LOOK_S)
    print(f"one Ray cluster of {count} hosts, {ray.cluster_resources().get('CPU', 0):g} CPUs", flush=True)


def _serve(hosts: Hosts, head: str) -> None:
    """Lend this host to the cluster until its head goes away."""
    deadline = time.monotonic() + PATIENCE_S
    while not _listens(head):
        if time.monotonic() > deadline:
            raise DataError(f"{hosts.learner} has not begun the job's Ray cluster after {PATIENCE_S:g} s")
        time.sleep(LOOK_S)
    _start([f"--address={head}:{PORT}"], hosts, address(hosts.me))
    while _listens(head):
        time.sleep(LOOK_S)
    _ray("stop", "--force")


def _start(role: Sequence[str], hosts: Hosts, own: str) -> None:
    options = [f"--node-ip-address={own}", "--disable-usage-stats", "--log-style=record"]
    if hosts.apart and hosts.mine:
        # No core beside the learners' own, so that runners go to the groups that are there for them.
        options.append(f"--num-cpus={hosts.learners}")
    done = _ray("start", *role, *options)
    if done.returncode:
        raise DataError(f"Ray did not start on {hosts.me}: {' '.join(done.stdout.split())[-400:]}")


def _ray(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "ray.scripts.scripts", *arguments]
    return subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)


def _listens(head: str) -> bool:
    with socket.socket() as probe:
        probe.settimeout(5)
        return probe.connect_ex((head, PORT)) == 0
