"""A sweep on a cluster of two nodes, one of which is killed: ``python -m tests.launchers.nodes``.

Each node is a ``ray start`` of its own. Where the rights allow, each has a network namespace and an address to itself,
and nothing of it can be reached from outside; elsewhere both have this machine's. Once a trial on the second node has a
checkpoint, everything that runs there is killed. What comes out is held to a sweep on this machine that nobody kills.
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
    """Where a node is to be.

    Attributes:
        address: by which the other one reaches it.
        space: its network namespace; None: that of this process.
    """

    address: str
    space: str | None

    def command(self, *words: str) -> list[str]:
        """Return a command that runs there."""
        return ["ip", "netns", "exec", self.space, *words] if self.space else list(words)


@contextmanager
def places() -> Iterator[list[Place]]:
    """Yield two places with a cable between, or this machine twice."""
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
            print(f"both nodes have this machine's address, as there are no network namespaces here: {why}")
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
    """Run a node of one CPU, which joins a head or is one; yields the process that all of it descends from."""
    joins = ["--head", f"--port={PORT}", "--include-dashboard=false"] if head is None else [f"--address={head}:{PORT}"]
    own = [f"--node-ip-address={place.address}", "--num-cpus=1", "--disable-usage-stats", "--block"]
    deadline = time.monotonic() + PATIENCE_S
    if head is not None:
        # A node that finds no head gives up at once.
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
    """Kill a process and all that it started, at once."""
    for process in (started.pid, *_below(started.pid)):
        with suppress(ProcessLookupError):
            os.kill(process, signal.SIGKILL)
    started.wait()


def _below(process: int) -> list[int]:
    """Return the processes that one has started, and they."""
    found = []
    for path in Path(f"/proc/{process}/task").glob("*/children"):
        with suppress(OSError):
            found += [int(child) for child in path.read_text().split()]
    return [one for child in found for one in (child, *_below(child))]


def at_work(process: int) -> list[Path]:
    """Return the folders of trials that run in what a process started, by the logs that they write to."""
    written = []
    for one in _below(process):
        with suppress(OSError):
            written.append(Path(os.readlink(f"/proc/{one}/fd/1")))
    return [path.parent for path in written if path.name == LOG]


def has_checkpoint(trial: Path) -> bool:
    """Return whether a trial that is under way has a place to go on from."""
    run = RunFolder(trial)
    return bool(list(run.checkpoints.glob("[0-9]*"))) and not run.metrics.exists()


def lose_a_node(home: Path) -> Sweep:
    """Run a sweep on two nodes and kill the second one while a trial is at work there; returns it at its end."""
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
            assert driver.poll() is None and time.monotonic() < deadline, (home / "said").read_text()
            time.sleep(0.05)
        kill(second)
        assert driver.wait(PATIENCE_S) == 0, (home / "said").read_text()
    return sweep


def main() -> int:
    """Lose a node, and say what became of its trial."""
    with tempfile.TemporaryDirectory(prefix="battery_lab_") as scratch:
        wanted, _ = reference(Path(scratch) / "whole", BUDGET)
        sweep = lose_a_node(Path(scratch) / "lost")
        told, found = sweep.events(), sweep.outcome()
        (lost,) = [event["number"] for event in told if event.get("reason") == "its node was lost"]
        again = [event["env_steps"] for event in told if event["event"] == "begun" and event["number"] == lost][1]
        print((sweep.home / "said").read_text())
        print(f"trial {lost} was lost with its node, and went on from environment step {again:,}")
        assert again > 0
        for part in wanted:
            assert found[part] == wanted[part], f"{part}\n{found[part]}\n{wanted[part]}"
        print(f"all {TRIALS} trials came out as those of a sweep that nobody killed")
    return 0


if __name__ == "__main__":
    sys.exit(main())
