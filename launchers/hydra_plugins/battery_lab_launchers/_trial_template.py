"""Trial templates: processes that have imported what trials need, from which the launcher starts trials quickly."""

from __future__ import annotations

import ctypes
import json
import os
import selectors
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

from hydra_plugins.battery_lab_launchers._template_process import FORK, MESSAGE_BYTES, READY
from hydra_plugins.battery_lab_launchers._trial_process import (
    ForkedProcess,
    TrialProcess,
    python_environment,
    start_trial,
)

PR_SET_CHILD_SUBREAPER, PR_GET_CHILD_SUBREAPER = 36, 37  # prctl(2)
REPLY_S = 30.0
KEPT = 2  # templates per pool; each takes up to half a gigabyte
MOST_LOST = 3  # templates of a pool that end before trials start without one


class TemplateLostError(Exception):
    """A template has ended, does not reply, or starts processes that are not children of this one.

    Attributes:
        for_good: whether another template would do the same.
    """

    def __init__(self, message: str, for_good: bool = False) -> None:
        super().__init__(message)
        self.for_good = for_good


class TemplateKey(NamedTuple):
    """What a template has in common with its trials: modules, number of cores, environment and working directory."""

    modules: tuple[str, ...]
    cores: int
    environment: tuple[tuple[str, str], ...]
    directory: str


class TrialTemplate:
    """A template, as the launcher sees it.

    Attributes:
        is_ready: whether trials can be started from it.
        is_lost: whether it has ended.
    """

    def __init__(self, key: TemplateKey, cores: set[int] | None, log: Path) -> None:
        """Start it. It is ready once its socket has been read.

        Raises:
            OSError: it cannot be started.
        """
        self.is_ready = self.is_lost = False
        self._connection, other = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._connection.settimeout(REPLY_S)
        try:
            with other, log.open("ab") as output:
                self._process = subprocess.Popen(
                    [
                        sys.executable,
                        "-m",
                        "hydra_plugins.battery_lab_launchers._template_process",
                        str(other.fileno()),
                    ],
                    env=dict(key.environment),
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    pass_fds=(other.fileno(),),
                    process_group=0,
                )
            task = {"modules": key.modules, "cores": sorted(cores) if cores else None}
            self._connection.send(json.dumps(task).encode())
        except OSError:
            self._connection.close()
            raise

    def fileno(self) -> int:
        """Return the file descriptor to wait for."""
        return self._connection.fileno()

    def read(self) -> None:
        """Read whether it has become ready or has ended."""
        try:
            self.is_ready = self._connection.recv(MESSAGE_BYTES) == READY
        except OSError:
            self.is_ready = False
        self.is_lost = not self.is_ready

    def start_trial(self, content: bytes, log: Path) -> TrialProcess:
        """Start a trial.

        Args:
            content: the trial, as the worker expects it.
            log: file that its output is appended to.

        Raises:
            TemplateLostError: the template is not there any more.
            OSError: the system lacks memory or processes.
        """
        return start_trial(self._fork, content, log)

    def _fork(self, source: int, log: int, outcome: int) -> ForkedProcess:
        try:
            with _adopting_orphans():
                socket.send_fds(self._connection, [FORK], [source, log, outcome])
                reply = self._connection.recv(MESSAGE_BYTES)
        except OSError as error:
            raise TemplateLostError(str(error)) from error
        if not reply:
            raise TemplateLostError("it has ended")
        number = int(reply)
        if number < 0:
            raise OSError(-number, os.strerror(-number))
        process = ForkedProcess(number)
        if not process.is_child:
            raise TemplateLostError("the system gives its orphans to another process", for_good=True)
        return process

    def close(self) -> None:
        """End it. Its trials are other processes and run on."""
        self.is_ready, self.is_lost = False, True
        self._connection.close()
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()


class TrialTemplates:
    """The templates of a pool, which are started when they are needed."""

    def __init__(self, selector: selectors.BaseSelector) -> None:
        """Prepare for templates.

        Args:
            selector: where templates are registered, with themselves as data; call ``read`` for what it selects.
        """
        self._selector = selector
        self._templates: dict[TemplateKey, TrialTemplate] = {}
        self._lost = 0 if sys.platform == "linux" else MOST_LOST

    def get(self, modules: Sequence[str], cores: set[int] | None, log: Path) -> TrialTemplate | None:
        """Return the template of trials; started if there is none yet. None: trials cannot be started from one.

        Args:
            modules: modules of the lab that the trials import.
            cores: cores of the trial.
            log: log of the trial, in which the output of its imports belongs.
        """
        if self._lost >= MOST_LOST:
            return None
        key = TemplateKey(tuple(modules), len(cores or ()), _sorted(python_environment()), os.getcwd())
        template = self._templates.pop(key, None)
        if template is None:
            while len(self._templates) >= KEPT:
                self._close(next(iter(self._templates)))
            try:
                template = TrialTemplate(key, cores, log)
            except OSError:
                return None
            self._selector.register(template, selectors.EVENT_READ, template)
        self._templates[key] = template  # the last one: it was used last
        return template

    def read(self, template: TrialTemplate) -> None:
        """Read whether a template has become ready or has ended. One that ended before it was ready is the last."""
        was_ready = template.is_ready
        template.read()
        if not template.is_ready:
            self.lose(template, for_good=not was_ready)

    def lose(self, template: TrialTemplate, for_good: bool = False) -> None:
        """Forget a template that has ended.

        Args:
            template: the template.
            for_good: whether to start no other one. After a few, none is started anyway.
        """
        self._lost += MOST_LOST if for_good else 1
        for key in [key for key, other in self._templates.items() if other is template]:
            self._close(key)

    def close(self) -> None:
        """End all templates."""
        for key in list(self._templates):
            self._close(key)

    def _close(self, key: TemplateKey) -> None:
        template = self._templates.pop(key)
        self._selector.unregister(template)
        template.close()


def _sorted(environment: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    return tuple(sorted(environment.items()))


@contextmanager
def _adopting_orphans() -> Iterator[None]:
    """Have descendants whose parents end become children of this process."""
    libc, before = ctypes.CDLL(None), ctypes.c_int()
    libc.prctl(PR_GET_CHILD_SUBREAPER, ctypes.byref(before))
    libc.prctl(PR_SET_CHILD_SUBREAPER, 1)
    try:
        yield
    finally:
        libc.prctl(PR_SET_CHILD_SUBREAPER, before.value)
