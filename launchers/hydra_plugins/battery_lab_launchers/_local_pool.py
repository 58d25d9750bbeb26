"""Local pool: trials in processes of this machine, each with its own cores and log, none outliving the launcher."""

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
from typing import IO, Annotated

import cloudpickle
from hydra_plugins.battery_lab_launchers._trial_job import STOPPED_FROM_OUTSIDE, TrialJob, read_outcome
from pydantic import Field

from battery_lab.common.errors import ConfigError
from battery_lab.common.run_folder import RunFolder
from battery_lab.common.validated_options import Int, options
from battery_lab.sweep.interfaces import Outcome
from battery_lab.sweep.journal import TrialState

STOP_STATUSES = (128 + signal.SIGINT, 128 + signal.SIGTERM)


@options("hydra.launcher")
class LocalOptions:
    """Validated options of the launcher, which LocalLauncherConf describes."""

    parallel: Annotated[Int, Field(ge=1)]
    cores: Annotated[Int, Field(ge=1)] | None


@dataclass(eq=False)
class _LocalTrial:
    number: int
    log: Path
    slot: int
    process: subprocess.Popen[bytes]
    pipe: IO[bytes]
    received: bytearray = field(default_factory=bytearray)
    stop_requested: bool = False


class LocalPool:
    """Runs a limited number of trials at a time, each in its own process."""

    def __init__(self, options: LocalOptions) -> None:
        """Divide the cores among the trials.

        Raises:
            ConfigError: there are not enough cores.
        """
        has_affinity = hasattr(os, "sched_getaffinity")
        available = sorted(os.sched_getaffinity(0)) if has_affinity else list(range(os.cpu_count() or 1))
        parallel = options.parallel
        self.cores = cores = options.cores or max(1, len(available) // parallel)
        if parallel * cores > len(available):
            raise ConfigError(
                f"hydra.launcher.parallel={parallel} trials of {cores} core{'s' * (cores > 1)} need more than the "
                f"{len(available)} available cores: set hydra.launcher.parallel={max(1, len(available) // cores)} or "
                "lower hydra.launcher.cores"
            )
        self._shares = [set(available[slot * cores : (slot + 1) * cores]) for slot in range(parallel)]
        self._running: dict[int, _LocalTrial] = {}
        self._selector = selectors.DefaultSelector()

    def open(self) -> None:
        pass

    @property
    def trial_resources(self) -> str:
        return f"{self.cores} core{'s' * (self.cores > 1)}"

    @property
    def max_parallel(self) -> int:
        return len(self._shares)

    @property
    def has_capacity(self) -> bool:
        return len(self._running) < len(self._shares)

    @property
    def is_busy(self) -> bool:
        return bool(self._running)

    def start(self, number: int, folder: Path, job: TrialJob) -> None:
        """Start a trial.

        Args:
            number: number of the trial.
            folder: run folder of the trial, created if missing. Output goes to its ``trial.log``.
            job: the trial.
        """
        folder.mkdir(parents=True, exist_ok=True)
        slot = min(set(range(len(self._shares))) - {running.slot for running in self._running.values()})
        content = cloudpickle.dumps({"job": job, "cores": self._cores_of(slot)})
        reading, writing = os.pipe()
        try:
            with RunFolder(folder).log.open("ab") as log:
                process = _start_worker(writing, log)
        except OSError:
            os.close(reading)
            raise
        finally:
            os.close(writing)
        os.set_blocking(reading, False)
        running = _LocalTrial(number, RunFolder(folder).log, slot, process, os.fdopen(reading, "rb", buffering=0))
        self._running[number] = running
        self._selector.register(running.pipe, selectors.EVENT_READ, running)
        assert process.stdin is not None
        # A process that died before it read its input is reported by wait().
        with suppress(BrokenPipeError), process.stdin as stdin:
            stdin.write(content)

    def wait(self, seconds: float) -> Iterator[Outcome]:
        for key, _ in self._selector.select(seconds):
            self._read(key.data)
        for running in list(self._running.values()):
            if running.process.poll() is not None:
                self._read(running)
                running.pipe.close()
                del self._running[running.number]
                yield _outcome(running)

    def stop(self, number: int | None = None, by_signal: bool = False) -> None:
        for running in self._running.values():
            if number in (None, running.number) and running.process.poll() is None:
                running.stop_requested = True
                running.process.send_signal(signal.SIGTERM)

    def close(self) -> None:
        for running in list(self._running.values()):
            with suppress(ProcessLookupError):
                os.killpg(running.process.pid, signal.SIGKILL)
            running.process.wait()

    def _cores_of(self, slot: int) -> set[int] | None:
        return self._shares[slot] if hasattr(os, "sched_setaffinity") else None

    def _read(self, running: _LocalTrial) -> None:
        while data := running.pipe.read(1 << 16):
            running.received += data
        if (data == b"" or running.process.returncode is not None) and running.pipe in self._selector.get_map():
            self._selector.unregister(running.pipe)


def _start_worker(writing: int, log: IO[bytes]) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "hydra_plugins.battery_lab_launchers._local_worker", str(writing)],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(path or os.getcwd() for path in sys.path)},
        stdin=subprocess.PIPE,
        stdout=log,
        stderr=subprocess.STDOUT,
        pass_fds=(writing,),
        # Ctrl-C reaches the launcher only, which stops the trials with a checkpoint.
        process_group=0,
    )


def _outcome(running: _LocalTrial) -> Outcome:
    status, number = running.process.returncode, running.number
    if status == 0 and running.received:
        return read_outcome(number, bytes(running.received))
    if status in STOP_STATUSES or status == -signal.SIGTERM:
        if running.stop_requested:
            return Outcome(number=number, state=TrialState.STOPPED)
        return Outcome(number=number, state=TrialState.FAILED, reason=STOPPED_FROM_OUTSIDE)
    if status < 0:
        return Outcome(number=number, state=TrialState.FAILED, reason=_killed_by(-status))
    reason = f"its process exited with status {status}: {_last_line(running.log)}"
    return Outcome(number=number, state=TrialState.FAILED, reason=reason, raised=True)


def _killed_by(number: int) -> str:
    hint = ", possibly by the system because it was out of memory" if number == signal.SIGKILL else ""
    return f"killed by {signal.Signals(number).name}{hint}"


def _last_line(log: Path) -> str:
    lines = [line for line in log.read_text(errors="replace").splitlines() if line.strip()]
    return lines[-1] if lines else "no output"
