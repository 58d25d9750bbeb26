"""Check of a node loss, by ``python -m tests.launchers.check_node_loss``: a sweep on two Ray nodes loses one of them.

Each node is a separate ``ray start``. With sufficient rights, each has its own network namespace and address, which
cannot be reached from outside. Otherwise both share this machine's address. When a trial on the second node has a
checkpoint, all processes of that node are killed. The results must equal those of a sweep on this machine.
"""

from __future__ import annotations

import os
import secrets
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import ray

from battery_lab.common.run_folder import RunFolder
from tests.launchers.kill_harness import PATHS, TRIALS, Sweep, reference

PORT, RAY = 6379, (sys.executable, "-m", "ray.scripts.scripts")
BUDGET = ("train.env_steps=262144", "train.checkpoint_every=16384", "train.validate_every=65536")
TIMEOUT_S = 300


@dataclass(frozen=True)
class NodeNetwork:
    """The network of a node.

    Attributes:
        address: address at which the other node reaches it.
        namespace: its network namespace. None: that of this process.
    """

    address: str
    namespace: str | None

    def command(self, *words: str) -> list[str]:
        """Return a command that runs in the namespace."""
        return ["ip", "netns", "exec", self.namespace, *words] if self.namespace else list(words)


@contextmanager
def node_networks() -> Iterator[list[NodeNetwork]]:
    """Yield two connected namespaces, or this machine twice."""
    namespaces = [f"lab{os.getpid()}{end}" for end in "ab"]
    commands = [["ip", "netns", "add", namespace] for namespace in namespaces]
    commands.append(
        ["ip", "-n", namespaces[0], *["link", "add", "cable", "type", "veth", "peer", "cable", "netns"], namespaces[1]]
    )
    for number, namespace in enumerate(namespaces, start=1):
        commands.append(["ip", "-n", namespace, "addr", "add", f"10.77.0.{number}/24", "dev", "cable"])
        commands += [["ip", "-n", namespace, "link", "set", device, "up"] for device in ("cable", "lo")]
    try:
        error = _first_failure(commands)
        if error:
            print(f"both nodes share this machine's address, as network namespaces are not available: {error}")
            yield [NodeNetwork(ray.util.get_node_ip_address(), None)] * 2
        else:
            yield [NodeNetwork(f"10.77.0.{number}", namespace) for number, namespace in enumerate(namespaces, start=1)]
    finally:
        for namespace in namespaces:
            _first_failure([["ip", "netns", "del", namespace]])


def _first_failure(commands: list[list[str]]) -> str | None:
    for command in commands:
        try:
            done = subprocess.run(command, capture_output=True, text=True, check=False)
        except OSError as error:
            return str(error)
        if done.returncode:
            return done.stderr.strip()
    return None


@contextmanager
def node(
    network: NodeNetwork, environment: dict[str, str], head: str | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    """Run a node with one CPU, as the head or connected to one; yield its root process."""
    connection = (
        ["--head", f"--port={PORT}", "--include-dashboard=false"] if head is None else [f"--address={head}:{PORT}"]
    )
    options = [f"--node-ip-address={network.address}", "--num-cpus=1", "--disable-usage-stats", "--block"]
    deadline = time.monotonic() + TIMEOUT_S
    if head is not None:
        # A node exits at once if the head is not ready.
        health = network.command(*RAY, "health-check", "--address", f"{head}:{PORT}")
        while subprocess.run(health, env=environment, capture_output=True, check=False).returncode:
            assert time.monotonic() < deadline, "the head of the cluster did not come up"
    command = network.command(*RAY, "start", *connection, *options)
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.STDOUT)
    try:
        yield process
    finally:
        kill(process)


def kill(process: subprocess.Popen[bytes]) -> None:
    """Kill a process and all its descendants."""
    for pid in (process.pid, *_descendants(process.pid)):
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    process.wait()


def _descendants(pid: int) -> list[int]:
    """Return the descendants of a process."""
    found = []
    for path in Path(f"/proc/{pid}/task").glob("*/children"):
        with suppress(OSError):
            found += [int(child) for child in path.read_text().split()]
    return [pid for child in found for pid in (child, *_descendants(child))]


def running_trials(root: int) -> list[Path]:
    """Return the folders of trials that run below a process, found by their log files."""
    log_files = []
    for pid in _descendants(root):
        with suppress(OSError):
            log_files.append(Path(os.readlink(f"/proc/{pid}/fd/1")))
    return [path.parent for path in log_files if path.name == RunFolder.LOG]


def has_checkpoint(trial: Path) -> bool:
    """Return whether a running trial has a checkpoint."""
    run = RunFolder(trial)
    return bool(list(run.checkpoints.glob("[0-9]*"))) and not run.metrics.exists()


def lose_a_node(home: Path) -> Sweep:
    """Run a sweep on two nodes, kill the second one while it runs a trial, and return the finished sweep."""
    token = {
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN": secrets.token_hex(32),
    }
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(PATHS)} | token
    with node_networks() as (here, there), node(here, environment), node(there, environment, here.address) as second:
        sweep = Sweep(home, BUDGET, ["launcher=ray", f"hydra.launcher.address={here.address}:{PORT}"])
        launcher = sweep.start(here.command(), **token)
        deadline = time.monotonic() + TIMEOUT_S
        while not any(map(has_checkpoint, running_trials(second.pid))):
            assert launcher.poll() is None and time.monotonic() < deadline, (home / "output.txt").read_text()
            time.sleep(0.05)
        kill(second)
        assert launcher.wait(TIMEOUT_S) == 0, (home / "output.txt").read_text()
    return sweep


def main() -> int:
    """Kill a node, and check that its trial resumed on the other one."""
    with tempfile.TemporaryDirectory(prefix="battery_lab_") as scratch:
        wanted, _ = reference(Path(scratch) / "whole", BUDGET)
        sweep = lose_a_node(Path(scratch) / "lost")
        events, results = sweep.events(), sweep.outcome()
        (lost,) = [event["number"] for event in events if event.get("reason") == "its node was lost"]
        again = [event["env_steps"] for event in events if event["event"] == "started" and event["number"] == lost][1]
        print((sweep.home / "output.txt").read_text())
        print(f"trial {lost} was lost with its node, and resumed from environment step {again:,}")
        assert again > 0
        for part in wanted:
            assert results[part] == wanted[part], f"{part}\n{results[part]}\n{wanted[part]}"
        print(f"all {TRIALS} trials have the same results as in a sweep that was not killed")
    return 0


if __name__ == "__main__":
    sys.exit(main())
