"""The hosts of a job as one Ray cluster: the learner's host leads, the others serve it until it is done."""

from __future__ import annotations

import errno
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from battery_lab.common.errors import ConfigError, DataError

PORT = 6379
RAY = (sys.executable, "-m", "ray.scripts.scripts")
TOKEN, LEARNER_GROUP = "ray_token", "BATTERY_LAB_LEARNER_GROUP"
LEARNERS = "BATTERY_LAB_LEARNERS"
PATIENCE_S = 600.0  # hosts of a job come up some minutes apart
LOOK_S = 1.0
# Looks in a row at a head, after which it is gone: that refuses, as nobody is there; or is silent, and may be busy.
REFUSALS, SILENCES = 3, 15


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
    _lead(hosts, head)
    try:
        _join(head, len(hosts.all))
        yield True
        with suppress(Exception):  # it is for eyes alone, and the trial is done
            print(f"Ray actors by host: {_spread(hosts)}", flush=True)
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

    from battery_lab.rllib.ray_runtime import connect_ray

    try:
        connect_ray(f"{head}:{PORT}")
    except ConfigError as error:
        raise DataError(f"the job's own Ray cluster does not answer: {str(error).rpartition(': ')[2]}") from None
    deadline = time.monotonic() + PATIENCE_S
    while (there := sum(node["Alive"] for node in ray.nodes())) < count:
        if time.monotonic() > deadline:
            raise DataError(f"{there} of {count} hosts have joined the job's Ray cluster after {PATIENCE_S:g} s")
        time.sleep(LOOK_S)
    print(f"one Ray cluster of {count} hosts, {ray.cluster_resources().get('CPU', 0):g} CPUs", flush=True)


def _spread(hosts: Hosts) -> str:
    """Return how many runners and learners each host has had."""
    import ray

    names = {address(host): host for host in hosts.all}
    nodes = {node["NodeID"]: names.get(node["NodeManagerAddress"], "?") for node in ray.nodes()}
    # The public list of actors wants Ray's dashboard, which no job starts.
    actors = ray._private.state.actors().values()
    counts = Counter(nodes.get(actor["Address"]["NodeID"], "?") for actor in actors)
    return ", ".join(f"{host} {count}" for host, count in sorted(counts.items())) or "none"


def _serve(hosts: Hosts, head: str) -> None:
    """Lend this host to the cluster until its head goes away.

    Raises:
        DataError: the head does not come, or this host's own Ray goes before it.
    """
    deadline = time.monotonic() + PATIENCE_S
    while _answer(head) != 0:
        if time.monotonic() > deadline:
            raise DataError(f"{hosts.learner} has not begun the job's Ray cluster after {PATIENCE_S:g} s")
        time.sleep(LOOK_S)
    with tempfile.TemporaryFile("w+") as said:
        command = [*RAY, "start", f"--address={head}:{PORT}", "--block", *_options(hosts, address(hosts.me))]
        mine = subprocess.Popen(command, stdout=said, stderr=subprocess.STDOUT)
        gone = 0.0
        while gone < 1:
            if mine.poll() is not None and _answer(head) == 0:
                said.seek(0)
                why = " ".join(said.read().split())[-400:]
                raise DataError(f"Ray ended on {hosts.me} with the job's trial still running: {why}")
            answer = _answer(head)
            gone = 0 if answer == 0 else gone + 1 / (REFUSALS if answer == errno.ECONNREFUSED else SILENCES)
            time.sleep(LOOK_S)
    _ray("stop", "--force")


def _options(hosts: Hosts, own: str) -> list[str]:
    options = [f"--node-ip-address={own}", "--disable-usage-stats", "--log-style=record"]
    if hosts.apart and hosts.mine:
        # No core beside the learners' own, so that runners go to the groups that are there for them.
        options.append(f"--num-cpus={hosts.learners}")
    return options


def _lead(hosts: Hosts, own: str) -> None:
    done = _ray("start", "--head", f"--port={PORT}", "--include-dashboard=false", *_options(hosts, own))
    if done.returncode:
        raise DataError(f"Ray did not start on {hosts.me}: {' '.join(done.stdout.split())[-400:]}")


def _ray(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*RAY, *arguments], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)


def _answer(head: str) -> int:
    """Return 0 if something listens at a head, and the system's error number if not."""
    with socket.socket() as probe:
        probe.settimeout(5)
        return probe.connect_ex((head, PORT))
