"""Trial processes: started by the launcher or forked from a template, each with a pipe for the outcome."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import IO, NamedTuple, Protocol


class Process(Protocol):
    """A child process, as ``subprocess.Popen``."""

    @property
    def pid(self) -> int: ...

    @property
    def returncode(self) -> int | None: ...

    def poll(self) -> int | None:
        """Return the exit status, negative for a signal; None: it is running."""

    def wait(self) -> int:
        """Wait for its end, and return the exit status."""

    def send_signal(self, number: int) -> None:
        """Send a signal unless it has ended."""


class TrialProcess(NamedTuple):
    """The process of a trial, and the end of the pipe on which its outcome arrives, which does not block."""

    process: Process
    pipe: IO[bytes]


class ForkedProcess:
    """A child process that another process has forked for this one.

    Attributes:
        pid: its process ID.
        returncode: its exit status, negative for a signal; None: it was running when last checked.
    """

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.returncode: int | None = None

    @property
    def is_child(self) -> bool:
        """Whether it is a child of this process."""
        try:
            self._wait(os.WNOHANG)
        except ChildProcessError:
            return False
        return True

    def poll(self) -> int | None:
        if self.returncode is None:
            try:
                self._wait(os.WNOHANG)
            except ChildProcessError:
                # Something else in this process has waited for it. Popen also takes 0 then.
                self.returncode = 0
        return self.returncode

    def wait(self) -> int:
        try:
            while self.returncode is None:
                self._wait(0)
        except ChildProcessError:
            self.returncode = 0
        return self.returncode

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def _wait(self, options: int) -> None:
        pid, status = os.waitpid(self.pid, options)
        if pid:
            self.returncode = os.waitstatus_to_exitcode(status)


def start_fresh(content: bytes, log: Path) -> TrialProcess:
    """Start a trial in a new Python.

    Args:
        content: the trial, as the worker expects it.
        log: file that its output is appended to.

    Raises:
        OSError: it cannot be started.
    """
    return start_trial(_start_worker, content, log)


def start_trial(start: Callable[[int, int, int], Process], content: bytes, log: Path) -> TrialProcess:
    """Start a trial with pipes and a log.

    Args:
        start: starts the process, which gets file descriptors to read the trial, for the log, and for the outcome.
        content: the trial, as the worker expects it.
        log: file that its output is appended to.
    """
    source, target = os.pipe()
    reading, writing = os.pipe()
    try:
        with log.open("ab") as output:
            process = start(source, output.fileno(), writing)
    except BaseException:
        os.close(target)
        os.close(reading)
        raise
    finally:
        os.close(source)
        os.close(writing)
    os.set_blocking(reading, False)
    # The end of a process that died before it read its input is reported by the pool.
    with suppress(BrokenPipeError), os.fdopen(target, "wb", buffering=0) as file:
        while content:
            content = content[file.write(content) :]
    return TrialProcess(process, os.fdopen(reading, "rb", buffering=0))


def python_environment() -> dict[str, str]:
    """Return the environment in which another Python finds the modules that this one does."""
    return {**os.environ, "PYTHONPATH": os.pathsep.join(path or os.getcwd() for path in sys.path)}


def _start_worker(source: int, log: int, outcome: int) -> Process:
    return subprocess.Popen(
        [sys.executable, "-m", "hydra_plugins.battery_lab_launchers._local_worker", str(outcome)],
        env=python_environment(),
        stdin=source,
        stdout=log,
        stderr=subprocess.STDOUT,
        pass_fds=(outcome,),
        # Ctrl-C reaches the launcher only, which stops the trials with a checkpoint.
        process_group=0,
    )
