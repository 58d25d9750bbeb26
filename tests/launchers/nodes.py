"""Node loss test: a sweep on a Ray cluster of two nodes, one of which is killed: ``python -m tests.launchers.nodes``.

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
from hydra_plugins.battery_lab_launchers._ray_worker import LOG

from battery_lab.common.run_folder import RunFolder
from tests.launchers.kills import PATHS, TRIALS, Sweep, reference

PORT, RAY = 6379, (sys.executable, "-m", "ray.scripts.scripts")
BUDGET = ("train.env_steps=262144", "train.checkpoint_every=16384", "train.validate_every=65536")
PATIENCE_S = 300


@dataclass(frozen=True)
class Place:
    """The network of a node.

    Attributes:
        address: address at which the other node reaches it.
        space: its network namespace. None: that of this process.
    """

    address: str
    space: str | None

    def command(self, *words: str) -> list[str]:
        """Return a command that runs in the namespace."""
        return ["ip", "netns", "exec", self.space, *words] if self.space else list(words)


@contextmanager
def places() -> Iterator[list[Place]]:
    """Yield two connected namespaces, or this machine twice."""
    spaces = [f"lab{os.getpid()}{end}" for end in "ab"]
    commands = [["ip", "netns", "add", space] for space in spaces]
    commands.append(
        ["ip", "-n", spaces[0], *["link", "add", "cable", "type", "veth", "peer", "cable", "netns"], spaces[1]]
    )
    for number, space in enumerate(spaces, start=1):
        commands.append(["ip", "-n", space, "addr", "add", f"10.77.0.{number}/24", "dev", "cable"])
        commands += [["ip", "-n", space, "link", "set", device, "up"] for device in ("cable", "lo")]
    try:
        why = _first_failure(commands)
        if why:
            print(f"both nodes share this machine's address, as network namespaces are not available: {why}")
            yield [Place(ray.util.get_node_ip_address(), None)] * 2
        else:
            yield [Place(f"10.77.0.{number}", space) for number, space in enumerate(spaces, start=1)]
    finally:
        for space in spaces:
            _first_failure([["ip", "netns", "del", space]])


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
def node(place: Place, environment: dict[str, str], head: str | None = None) -> Iterator[subprocess.Popen[bytes]]:
    """Run a node with one CPU, as the head or connected to one; yield its root process."""
    joins = ["--head", f"--port={PORT}", "--include-dashboard=false"] if head is None else [f"--address={head}:{PORT}"]
    own = [f"--node-ip-address={place.address}", "--num-cpus=1", "--disable-usage-stats", "--block"]
    deadline = time.monotonic() + PATIENCE_S
    if head is not None:
        # A node exits at once if the head is not ready.
        health = place.command(*RAY, "health-check", "--address", f"{head}:{PORT}")
        while subprocess.run(health, env=environment, capture_output=True, check=False).returncode:
            assert time.monotonic() < deadline, "the head of the cluster did not come up"
    command = place.command(*RAY, "start", *joins, *own)
    started = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.STDOUT)
    try:
        yield started
    finally:
        kill(started)


def kill(started: subprocess.Popen[bytes]) -> None:
    """Kill a process and all its descendants."""
    for process in (started.pid, *_below(started.pid)):
        with suppress(ProcessLookupError):
            os.kill(process, signal.SIGKILL)
    started.wait()


def _below(process: int) -> list[int]:
    """Return the descendants of a process."""
    found = []
    for path in Path(f"/proc/{process}/task").glob("*/children"):
        with suppress(OSError):
            found += [int(child) for child in path.read_text().split()]
    return [one for child in found for one in (child, *_below(child))]


def at_work(process: int) -> list[Path]:
    """Return the folders of trials that run below a process, found by their log files."""
    written = []
    for one in _below(process):
        with suppress(OSError):
            written.append(Path(os.readlink(f"/proc/{one}/fd/1")))
    return [path.parent for path in written if path.name == LOG]


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
    with places() as (here, there), node(here, environment), node(there, environment, here.address) as second:
        sweep = Sweep(home, BUDGET, ["launcher=ray", f"hydra.launcher.address={here.address}:{PORT}"])
        driver = sweep.start(here.command(), **token)
        deadline = time.monotonic() + PATIENCE_S
        while not any(map(has_checkpoint, at_work(second.pid))):
            assert driver.poll() is None and time.monotonic() < deadline, (home / "output.txt").read_text()
            time.sleep(0.05)
        kill(second)
        assert driver.wait(PATIENCE_S) == 0, (home / "output.txt").read_text()
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
