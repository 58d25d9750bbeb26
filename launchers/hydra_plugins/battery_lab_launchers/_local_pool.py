"""Local pool: trials in processes of this machine, each with its own cores and log, none outliving the launcher."""

from __future__ import annotations

import os
import pickle
import selectors
import signal
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Annotated

import cloudpickle
from hydra_plugins.battery_lab_launchers._trial_job import STOPPED_FROM_OUTSIDE, TrialJob, read_outcome
from hydra_plugins.battery_lab_launchers._trial_modules import sets_environment, trial_modules
from hydra_plugins.battery_lab_launchers._trial_process import Process, start_fresh
from hydra_plugins.battery_lab_launchers._trial_template import TemplateLostError, TrialTemplate, TrialTemplates
from pydantic import Field

from battery_lab.common.errors import ConfigError
from battery_lab.common.run_folder import RunFolder
from battery_lab.common.validated_options import Highest, Int, options
from battery_lab.sweep.interfaces import Outcome
from battery_lab.sweep.journal import TrialState

STOP_STATUSES = (128 + signal.SIGINT, 128 + signal.SIGTERM)


@options("hydra.launcher")
class LocalOptions:
    """Validated options of the launcher, which LocalLauncherConf describes."""

    parallel: Annotated[Int, Field(ge=1), Highest(1024)]
    cores: Annotated[Int, Field(ge=1), Highest(4096)] | None


@dataclass(eq=False)
class _LocalTrial:
    """A trial that runs, or waits for its template to be ready; it has no process then."""

    number: int
    log: Path
    slot: int
    content: bytes
    template: TrialTemplate | None
    process: Process | None = None
    pipe: IO[bytes] | None = None
    process_end: int | None = None  # file descriptor that can be read once the process has ended
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
        self._templates = TrialTemplates(self._selector)

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

        Raises:
            OSError: its process cannot be started.
        """
        folder.mkdir(parents=True, exist_ok=True)
        slot = min(set(range(len(self._shares))) - {running.slot for running in self._running.values()})
        cores, log = self._cores_of(slot), RunFolder(folder).log
        content = cloudpickle.dumps({"job": job, "cores": cores})
        # Libraries read variables when they are imported, and these are set before that only in a new Python.
        template = None if sets_environment(job) else self._templates.get(trial_modules(job), cores)
        trial = _LocalTrial(number, log, slot, content, template)
        if template is None or template.is_ready:
            self._start_process(trial)
        self._running[number] = trial

    def wait(self, seconds: float) -> Iterator[Outcome]:
        for key, _ in self._selector.select(seconds):
            if isinstance(key.data, TrialTemplate):
                self._templates.read(key.data)
            elif key.fileobj is key.data.pipe:
                self._read(key.data)
        for trial in list(self._running.values()):
            outcome = self._proceed(trial)
            if outcome is not None:
                del self._running[trial.number]
                yield outcome

    def stop(self, number: int | None = None, by_signal: bool = False) -> None:
        for trial in self._running.values():
            if number in (None, trial.number) and (trial.process is None or trial.process.poll() is None):
                trial.stop_requested = True
                if trial.process is not None:
                    trial.process.send_signal(signal.SIGTERM)

    def close(self) -> None:
        for trial in list(self._running.values()):
            if trial.process is not None:
                with suppress(ProcessLookupError):
                    os.killpg(trial.process.pid, signal.SIGKILL)
                trial.process.wait()
            self._close_files(trial)
        self._running.clear()
        self._templates.close()
        self._selector.close()

    def _cores_of(self, slot: int) -> set[int] | None:
        return self._shares[slot] if hasattr(os, "sched_setaffinity") else None

    def _start_process(self, trial: _LocalTrial) -> None:
        """Start the process of a trial, from its template if that is there."""
        started = None
        if trial.template is not None and trial.template.is_ready:
            try:
                started = trial.template.start_trial(trial.content, trial.log)
            except TemplateLostError as error:
                self._templates.lose(trial.template, for_good=error.for_good)
        if started is None:
            started = start_fresh(trial.content, trial.log)
        trial.process, trial.pipe = started
        trial.content = b""
        self._selector.register(trial.pipe, selectors.EVENT_READ, trial)
        # Otherwise wait() returns some time after the end of the process.
        with suppress(AttributeError, OSError):  # not on this system
            trial.process_end = os.pidfd_open(trial.process.pid)
            self._selector.register(trial.process_end, selectors.EVENT_READ, trial)

    def _proceed(self, trial: _LocalTrial) -> Outcome | None:
        """Start a trial whose template is ready or lost; return the outcome of one that has ended."""
        if trial.process is None:
            if trial.stop_requested:
                return Outcome(number=trial.number, state=TrialState.STOPPED)
            if trial.template is None or trial.template.is_ready or trial.template.is_lost:
                try:
                    self._start_process(trial)
                except OSError as error:
                    reason = f"it could not start: {error}"
                    return Outcome(number=trial.number, state=TrialState.FAILED, reason=reason)
            return None
        status = trial.process.poll()
        if status is None:
            return None
        self._read(trial)
        self._close_files(trial)
        return _outcome(trial, status)

    def _read(self, trial: _LocalTrial) -> None:
        assert trial.pipe is not None
        while data := trial.pipe.read(1 << 16):
            trial.received += data
        if data == b"" and trial.pipe in self._selector.get_map():
            self._selector.unregister(trial.pipe)

    def _close_files(self, trial: _LocalTrial) -> None:
        for file in (trial.pipe, trial.process_end):
            if file is not None and file in self._selector.get_map():
                self._selector.unregister(file)
        if trial.pipe is not None:
            trial.pipe.close()
        if trial.process_end is not None:
            # A signal handler may close the pool within this.
            process_end, trial.process_end = trial.process_end, None
            os.close(process_end)


def _outcome(trial: _LocalTrial, status: int) -> Outcome:
    number = trial.number
    if status == 0 and trial.received:
        # Incomplete if it was killed and its exit status is unknown, which is 0 then.
        with suppress(EOFError, pickle.UnpicklingError):
            return read_outcome(number, bytes(trial.received))
    if status in STOP_STATUSES or status == -signal.SIGTERM:
        if trial.stop_requested:
            return Outcome(number=number, state=TrialState.STOPPED)
        return Outcome(number=number, state=TrialState.FAILED, reason=STOPPED_FROM_OUTSIDE)
    if status < 0:
        return Outcome(number=number, state=TrialState.FAILED, reason=_killed_by(-status))
    reason = f"its process exited with status {status}: {_last_line(trial.log)}"
    return Outcome(number=number, state=TrialState.FAILED, reason=reason, raised=True)


def _killed_by(number: int) -> str:
    hint = ", possibly by the system because it was out of memory" if number == signal.SIGKILL else ""
    return f"killed by {signal.Signals(number).name}{hint}"


def _last_line(log: Path) -> str:
    lines = [line for line in log.read_text(errors="replace").splitlines() if line.strip()]
    return lines[-1] if lines else "no output"
