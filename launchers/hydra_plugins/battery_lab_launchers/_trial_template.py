"""Trial templates: processes that have imported what trials need, from which the launcher starts trials quickly."""

from __future__ import annotations

import json
import os
import selectors
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from hydra_plugins.battery_lab_launchers._adopted_orphans import adopting_orphans, reap_orphans
from hydra_plugins.battery_lab_launchers._template_process import FORK, MESSAGE_BYTES, READY
from hydra_plugins.battery_lab_launchers._trial_process import (
    ForkedProcess,
    TrialProcess,
    python_environment,
    start_trial,
)

REPLY_S = 30.0
KEPT = 2  # templates per pool; each takes up to half a gigabyte. Trials that would need more start without one
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

    def __init__(self, key: TemplateKey, cores: set[int] | None) -> None:
        """Start it. It is ready once its socket has been read.

        What it prints is seen in its trials only: a trial that does without it imports the same and prints it itself.

        Raises:
            OSError: it cannot be started.
        """
        self.is_ready = self.is_lost = False
        self._connection, other = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._connection.settimeout(REPLY_S)
        try:
            with other, tempfile.TemporaryFile() as output:
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
            with adopting_orphans() as known:
                socket.send_fds(self._connection, [FORK], [source, log, outcome])
                number = int(self._connection.recv(MESSAGE_BYTES) or 0)
                known.add(number)
        except OSError as error:
            raise TemplateLostError(str(error)) from error
        except BaseException:
            # The next trial must not take the reply to this one.
            self._end()
            raise
        if not number:
            raise TemplateLostError("it has ended")
        if number < 0:
            raise OSError(-number, os.strerror(-number))
        process = ForkedProcess(number)
        if not process.is_child:
            raise TemplateLostError("the system gives its orphans to another process", for_good=True)
        return process

    def close(self) -> None:
        """End it. Its trials are other processes and run on."""
        self._end()
        self._connection.close()
        self._process.wait()

    def _end(self) -> None:
        """End it, but keep the socket, which may be registered for reading."""
        self.is_ready, self.is_lost = False, True
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)


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

    def get(self, modules: Sequence[str], cores: set[int] | None) -> TrialTemplate | None:
        """Return the template of trials; started if there is none yet. None: trials cannot be started from one now.

        Args:
            modules: modules of the lab that the trials import.
            cores: cores of the trial.
        """
        if self._lost >= MOST_LOST:
            return None
        key = TemplateKey(tuple(modules), len(cores or ()), _sorted(python_environment()), os.getcwd())
        for lost in [template for template in self._templates.values() if template.is_lost]:
            self.lose(lost)
        template = self._templates.pop(key, None) or self._start(key, cores)
        if template is not None:
            self._templates[key] = template  # the last one: it was used last
        return template

    def _start(self, key: TemplateKey, cores: set[int] | None) -> TrialTemplate | None:
        """Start a template, in place of the one that was used least recently if there are too many."""
        if len(self._templates) >= KEPT:
            # Trials wait for those that are not ready.
            oldest = next((key for key, template in self._templates.items() if template.is_ready), None)
            if oldest is None:
                return None
            self._close(oldest)
        try:
            template = TrialTemplate(key, cores)
        except OSError:
            return None
        self._selector.register(template, selectors.EVENT_READ, template)
        return template

    def read(self, template: TrialTemplate) -> None:
        """Read whether a template has become ready or has ended. One that ended before it was ready is the last."""
        was_started = template.is_ready or template.is_lost
        template.read()
        if not template.is_ready:
            self.lose(template, for_good=not was_started)

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
        """End all templates. Call it once their trials have ended."""
        for key in list(self._templates):
            self._close(key)
        reap_orphans()

    def _close(self, key: TemplateKey) -> None:
        template = self._templates.pop(key)
        self._selector.unregister(template)
        template.close()


def _sorted(environment: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    return tuple(sorted(environment.items()))
