"""Ray cluster of a job's hosts: the learner's host leads, the others serve it until the trial is done."""

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
TOKEN = "ray_token"  # file in the trial's channel
LEARNER_GROUP, LEARNERS = "BATTERY_LAB_LEARNER_GROUP", "BATTERY_LAB_LEARNERS"  # environment variables
TIMEOUT_S = 600.0  # hosts of a job can start some minutes apart
POLL_S = 1.0
# Failed connections in a row after which the head is gone. A silent head may be busy; a refusal means it has ended.
MAX_REFUSALS, MAX_TIMEOUTS = 3, 15


@dataclass(frozen=True, kw_only=True)
class Hosts:
    """The hosts of a job.

    Attributes:
        names: the names of all hosts.
        current: name of this host.
        leader: name of the host that runs the trial.
        learners_only: whether the leader's group runs learners only, because other groups run the env runners.
        learners: number of RLlib learners in processes of their own, each with one core.
        in_leader_group: whether this host belongs to the leader's group.
    """

    names: Sequence[str]
    current: str
    leader: str
    learners_only: bool
    learners: int
    in_leader_group: bool

    @classmethod
    def read(cls, environment: Mapping[str, str]) -> Hosts:
        """Read the environment variables of the training toolkit.

        Raises:
            DataError: the job has no group with the learner group's name.
        """
        names = json.loads(environment.get("SM_HOSTS") or '["localhost"]')
        current = environment.get("SM_CURRENT_HOST") or names[0]
        groups = json.loads(environment.get("SM_INSTANCE_GROUPS_DICT") or "{}")
        group = environment.get(LEARNER_GROUP)
        if group and group not in groups:
            raise DataError(f"{LEARNER_GROUP}={group} must be one of the job's instance groups, {sorted(groups)}")
        in_group = list(groups[group]["hosts"]) if group else list(names)
        return cls(
            names=names,
            current=current,
            leader=in_group[0],
            learners_only=bool(group) and len(groups) > 1,
            learners=int(environment.get(LEARNERS) or 0),
            in_leader_group=current in in_group,
        )


@contextmanager
def ray_cluster(hosts: Hosts, trial: Path) -> Iterator[bool]:
    """Form one cluster of all hosts, if there are several; yields whether this host runs the trial.

    On the other hosts the body runs after the cluster has ended and has nothing to do.

    Args:
        hosts: the hosts of the job.
        trial: folder with the cluster's token, which belongs to this job only.

    Raises:
        DataError: a host has no address or does not start.
    """
    if len(hosts.names) == 1:
        yield True
        return
    os.environ |= {
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN": (trial / TOKEN).read_text().strip(),
        "RAY_USAGE_STATS_ENABLED": "0",
    }
    head = address_of(hosts.leader)
    if hosts.current != hosts.leader:
        serve_cluster(hosts, head)
        yield False
        return
    _start_head(hosts, head)
    try:
        _join(head, len(hosts.names))
        yield True
        with suppress(Exception):  # for information only, and the trial is done
            print(f"Ray actors by host: {_actors_by_host(hosts)}", flush=True)
    finally:
        run_ray("stop", "--force")


def address_of(host: str) -> str:
    """Return the address of a host, and wait until its name can be resolved.

    Raises:
        DataError: the name cannot be resolved in time.
    """
    deadline = time.monotonic() + TIMEOUT_S
    while True:
        try:
            return socket.gethostbyname(host)
        except OSError as error:
            if time.monotonic() > deadline:
                raise DataError(f"the host {host} of the job has no address after {TIMEOUT_S:g} s: {error}") from None
            time.sleep(POLL_S)


def _join(head: str, count: int) -> None:
    """Connect to the cluster, and wait until all hosts have joined."""
    import ray

    from battery_lab.rllib.ray_runtime import connect_ray

    try:
        connect_ray(f"{head}:{PORT}")
    except ConfigError as error:
        raise DataError(f"the job's own Ray cluster does not answer: {str(error).rpartition(': ')[2]}") from None
    deadline = time.monotonic() + TIMEOUT_S
    while (alive := sum(node["Alive"] for node in ray.nodes())) < count:
        if time.monotonic() > deadline:
            raise DataError(f"{alive} of {count} hosts have joined the job's Ray cluster after {TIMEOUT_S:g} s")
        time.sleep(POLL_S)
    print(f"one Ray cluster of {count} hosts, {ray.cluster_resources().get('CPU', 0):g} CPUs", flush=True)


def _actors_by_host(hosts: Hosts) -> str:
    """Return how many actors (env runners and learners) each host has run, in words."""
    import ray

    names = {address_of(host): host for host in hosts.names}
    nodes = {node["NodeID"]: names.get(node["NodeManagerAddress"], "?") for node in ray.nodes()}
    # The public list of actors needs Ray's dashboard, which jobs do not start.
    actors = ray._private.state.actors().values()
    counts = Counter(nodes.get(actor["Address"]["NodeID"], "?") for actor in actors)
    return ", ".join(f"{host} {count}" for host, count in sorted(counts.items())) or "none"


def serve_cluster(hosts: Hosts, head: str) -> None:
    """Run a Ray node on this host until the cluster's head is gone.

    Raises:
        DataError: the head does not start in time, or this host's node ends before the head.
    """
    deadline = time.monotonic() + TIMEOUT_S
    while connect_error(head) != 0:
        if time.monotonic() > deadline:
            raise DataError(f"{hosts.leader} has not started the job's Ray cluster after {TIMEOUT_S:g} s")
        time.sleep(POLL_S)
    with tempfile.TemporaryFile("w+") as output:
        command = [
            *RAY,
            "start",
            f"--address={head}:{PORT}",
            "--block",
            *node_options(hosts, address_of(hosts.current)),
        ]
        node = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT)
        failures = 0.0  # 1.0: the head is gone
        while failures < 1:
            if node.poll() is not None and connect_error(head) == 0:
                output.seek(0)
                reason = " ".join(output.read().split())[-400:]
                raise DataError(f"Ray ended on {hosts.current} while the job's trial was running: {reason}")
            error = connect_error(head)
            failures = (
                0 if error == 0 else failures + 1 / (MAX_REFUSALS if error == errno.ECONNREFUSED else MAX_TIMEOUTS)
            )
            time.sleep(POLL_S)
    run_ray("stop", "--force")


def node_options(hosts: Hosts, address: str) -> list[str]:
    """Return the options of ``ray start`` for this host."""
    options = [f"--node-ip-address={address}", "--disable-usage-stats", "--log-style=record"]
    if hosts.learners_only and hosts.in_leader_group:
        # Cores for the learners only, so that Ray places env runners in the other groups.
        options.append(f"--num-cpus={hosts.learners}")
    return options


def _start_head(hosts: Hosts, address: str) -> None:
    done = run_ray("start", "--head", f"--port={PORT}", "--include-dashboard=false", *node_options(hosts, address))
    if done.returncode:
        raise DataError(f"Ray did not start on {hosts.current}: {' '.join(done.stdout.split())[-400:]}")


def run_ray(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run Ray's command."""
    return subprocess.run([*RAY, *arguments], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)


def connect_error(head: str) -> int:
    """Return 0 if the head accepts connections, else the system's error number."""
    with socket.socket() as probe:
        probe.settimeout(5)
        return probe.connect_ex((head, PORT))
