"""Trials in processes of this machine: each with its own cores, its own log, and no way to outlive the launcher."""

from __future__ import annotations

import os
import selectors
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

import cloudpickle
from hydra_plugins.battery_lab_launchers._trial_job import STOPPED_BY_OTHERS, TrialJob, ending

from battery_lab.common.errors import ConfigError, require
from battery_lab.sweep.interfaces import Outcome
from battery_lab.sweep.journal import State

LOG = "trial.log"
STOPS = (128 + signal.SIGINT, 128 + signal.SIGTERM)


@dataclass(eq=False)
class _Running:
    number: int
    log: Path
    slot: int
    process: subprocess.Popen[bytes]
    pipe: IO[bytes]
    told: bytearray = field(default_factory=bytearray)
    unwanted: bool = False


class LocalPool:
    """Processes for trials, some at a time."""

    def __init__(self, *, parallel: int, cores: int | None) -> None:
        """Share the cores out.

        Args:
            parallel: trials at once.
            cores: of each; None: an equal share.

        Raises:
            ConfigError: there are fewer cores than that takes.
        """
        there = (
            sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else list(range(os.cpu_count() or 1))
        )
        require(parallel >= 1, "hydra.launcher.parallel", "must be a whole number from 1", parallel)
        require(cores is None or cores >= 1, "hydra.launcher.cores", "must be null or a whole number from 1", cores)
        each = cores or max(1, len(there) // parallel)
        if parallel * each > len(there):
            raise ConfigError(
                f"hydra.launcher.parallel={parallel} trials of {each} core{'s' * (each > 1)} take more than the "
                f"{len(there)} that there are: set hydra.launcher.parallel={max(1, len(there) // each)} or fewer cores"
            )
        self.cores = each
        self._shares = [set(there[slot * each : (slot + 1) * each]) for slot in range(parallel)]
        self._running: dict[int, _Running] = {}
        self._selector = selectors.DefaultSelector()

    def open(self) -> None:
        """Do nothing: this machine is there."""

    @property
    def trial_resources(self) -> str:
        """What a trial takes of the machine, in words."""
        return f"{self.cores} core{'s' * (self.cores > 1)}"

    @property
    def max_parallel(self) -> int:
        """How many trials run at once."""
        return len(self._shares)

    @property
    def has_capacity(self) -> bool:
        """Whether another trial can begin."""
        return len(self._running) < len(self._shares)

    @property
    def is_busy(self) -> bool:
        """Whether any trial runs."""
        return bool(self._running)

    def start(self, number: int, folder: Path, job: TrialJob) -> None:
        """Begin a trial.

        Args:
            number: by which its end will be told.
            folder: of the trial, made if missing; what the trial prints goes to ``trial.log`` in it.
            job: what it is.
        """
        folder.mkdir(parents=True, exist_ok=True)
        slot = min(set(range(len(self._shares))) - {one.slot for one in self._running.values()})
        content = cloudpickle.dumps({"job": job, "cores": self._cores_of(slot)})
        reading, writing = os.pipe()
        try:
            with (folder / LOG).open("ab") as log:
                process = _child(writing, log)
        except OSError:
            os.close(reading)
            raise
        finally:
            os.close(writing)
        os.set_blocking(reading, False)
        running = _Running(number, folder / LOG, slot, process, os.fdopen(reading, "rb", buffering=0))
        self._running[number] = running
        self._selector.register(running.pipe, selectors.EVENT_READ, running)
        assert process.stdin is not None
        # One that died before it read is told of like any other.
        with suppress(BrokenPipeError), process.stdin as stdin:
            stdin.write(content)

    def wait(self, seconds: float) -> Iterator[Outcome]:
        """Wait for trials to end, for so long at most; yields those that did."""
        for key, _ in self._selector.select(seconds):
            self._read(key.data)
        for running in list(self._running.values()):
            if running.process.poll() is not None:
                self._read(running)
                running.pipe.close()
                del self._running[running.number]
                yield _ending(running)

    def stop(self, number: int | None = None, by_signal: bool = False) -> None:
        """Ask a trial to stop, with a checkpoint if it trains; None: all of them."""
        for running in self._running.values():
            if number in (None, running.number) and running.process.poll() is None:
                running.unwanted = True
                running.process.send_signal(signal.SIGTERM)

    def close(self) -> None:
        """End what still runs, at once."""
        for running in list(self._running.values()):
            with suppress(ProcessLookupError):
                os.killpg(running.process.pid, signal.SIGKILL)
            running.process.wait()

    def _cores_of(self, slot: int) -> set[int] | None:
        return self._shares[slot] if hasattr(os, "sched_setaffinity") else None

    def _read(self, running: _Running) -> None:
        while data := running.pipe.read(1 << 16):
            running.told += data
        if (data == b"" or running.process.returncode is not None) and running.pipe in self._selector.get_map():
            self._selector.unregister(running.pipe)


def _child(writing: int, log: IO[bytes]) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "hydra_plugins.battery_lab_launchers._local_worker", str(writing)],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(path or os.getcwd() for path in sys.path)},
        stdin=subprocess.PIPE,
        stdout=log,
        stderr=subprocess.STDOUT,
        pass_fds=(writing,),
        # Ctrl-C is for the launcher, which lets trials checkpoint.
        process_group=0,
    )


def _ending(running: _Running) -> Outcome:
    code, number = running.process.returncode, running.number
    if code == 0 and running.told:
        return ending(number, bytes(running.told))
    if code in STOPS or code == -signal.SIGTERM:
        if running.unwanted:
            return Outcome(number=number, state=State.STOPPED)
        return Outcome(number=number, state=State.FAILED, reason=STOPPED_BY_OTHERS)
    if code < 0:
        return Outcome(number=number, state=State.FAILED, reason=_killed(-code))
    reason = f"its process ended with status {code}: {_last_line(running.log)}"
    return Outcome(number=number, state=State.FAILED, reason=reason, raised=True)


def _killed(number: int) -> str:
    why = ", as the system does with what takes too much memory" if number == signal.SIGKILL else ""
    return f"killed by {signal.Signals(number).name}{why}"


def _last_line(log: Path) -> str:
    lines = [line for line in log.read_text(errors="replace").splitlines() if line.strip()]
    return lines[-1] if lines else "it said nothing"
