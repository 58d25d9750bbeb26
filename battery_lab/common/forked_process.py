"""Forked processes: functions that run in copies of this process, so that their changes to memory are lost.

Each copy runs in a new session, together with the processes that it starts. The session is killed when the result has
arrived, and also when this process ends.
"""

from __future__ import annotations

import multiprocessing
import os
import pickle
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.context import ForkProcess
from typing import Any, NoReturn, TypeVar

from battery_lab.common.errors import LabError

T = TypeVar("T")
CHECK_S = 0.2  # time between two checks whether the other process is still there


def in_forked_processes(name: str, *functions: Callable[[], T]) -> list[T]:
    """Return the results of functions, each of which runs in a copy of this process of its own, at the same time.

    Args:
        name: the option that errors name.
        functions: the functions; their results must be picklable.

    Raises:
        LabError: a process ended without a result, or its function raised what this process cannot raise again: an
            error that cannot be pickled, whose module is not imported here, or that ends a process (SystemExit).
        Exception: what the first of the functions raised; the traceback in its process is a note.
    """
    forks: list[_Fork] = []
    try:
        for function in functions:
            forks.append(_Fork.start(name, function))
        return [fork.result() for fork in forks]
    finally:
        for fork in forks:
            fork.end()


@dataclass(frozen=True, kw_only=True)
class _Failure:
    """What a function raised; ``pickled`` is the error itself, if this process can raise it again."""

    type_name: str
    message: str
    traceback: str
    is_exit: bool
    pickled: bytes | None

    @classmethod
    def of(cls, error: BaseException, modules: frozenset[str]) -> _Failure:
        return cls(
            type_name=type(error).__name__,
            message=_text(error),
            traceback="".join(traceback.format_exception(error)),
            is_exit=not isinstance(error, Exception),
            pickled=_pickled(error) if type(error).__module__ in modules else None,
        )

    def raise_again(self, name: str) -> NoReturn:
        what = f"{self.type_name}: {self.message}" if self.message else self.type_name
        error: Exception = LabError(f"{name} failed with {what}: correct the function")
        if self.is_exit:
            error = LabError(f"{name} ended its process with {what}, without a result: correct the function")
        elif self.pickled is not None:
            with suppress(Exception):
                error = pickle.loads(self.pickled)
        error.add_note(self.traceback)
        raise error


@dataclass(frozen=True, kw_only=True)
class _Fork:
    """A copy of this process that runs a function, and the end of the pipe on which its result arrives."""

    name: str
    process: ForkProcess
    receiver: Connection

    @classmethod
    def start(cls, name: str, function: Callable[[], Any]) -> _Fork:
        context = multiprocessing.get_context("fork")
        receiver, sender = context.Pipe(duplex=False)
        process = context.Process(target=_run, args=(function, sender, os.getpid(), frozenset(sys.modules)))
        process.start()
        sender.close()
        return cls(name=name, process=process, receiver=receiver)

    def result(self) -> Any:
        # A process that the function started may hold the pipe open, so its end says too little.
        while not wait([self.receiver, self.process.sentinel], CHECK_S) and self.process.is_alive():
            pass
        if not self.process.is_alive():
            self._kill()
        if not self.receiver.poll():
            self._raise_ended()
        try:
            value, failure = pickle.loads(self.receiver.recv_bytes())
        except EOFError:
            self._raise_ended()
        if failure is not None:
            failure.raise_again(self.name)
        return value

    def end(self) -> None:
        """End the process and all that it started."""
        self._kill()
        self.process.kill()
        self.process.join()
        self.receiver.close()

    def _kill(self) -> None:
        pid = self.process.pid
        if pid is not None:
            with suppress(ProcessLookupError, PermissionError):  # it has no session yet, or nothing is left of it
                os.killpg(pid, signal.SIGKILL)

    def _raise_ended(self) -> NoReturn:
        self.process.join()
        raise LabError(
            f"{self.name} ended its process with exit status {self.process.exitcode}, without a result: correct the "
            "function"
        )


def _run(function: Callable[[], Any], sender: Connection, parent: int, modules: frozenset[str]) -> None:
    """Send the pickled result of a function, or its failure, and wait for the end."""
    os.setsid()
    threading.Thread(target=_end_with, args=(parent,), daemon=True).start()
    try:
        message = pickle.dumps((function(), None))
    except BaseException as error:  # SystemExit as well: the function must not end this process without a word
        message = pickle.dumps((None, _Failure.of(error, modules)))
    for stream in (sys.stdout, sys.stderr):
        with suppress(Exception):  # closed, or replaced by the function
            stream.flush()
    sender.send_bytes(message)
    # The parent kills the session. As long as this process leads it, its number cannot be that of another one.
    while True:
        time.sleep(60)


def _end_with(parent: int) -> None:
    """Kill this session when the parent has ended: a killed parent cannot."""
    while os.getppid() == parent:
        time.sleep(CHECK_S)
    os.killpg(0, signal.SIGKILL)


def _pickled(error: BaseException) -> bytes | None:
    """Return an error as bytes if these make the same error again, else None."""
    try:
        pickled = pickle.dumps(error)
        again = pickle.loads(pickled)
    except Exception:  # code of the error's own class runs here, which may fail in any way
        return None
    return pickled if type(again) is type(error) and _text(again) == _text(error) else None


def _text(error: BaseException) -> str:
    try:
        return str(error)
    except Exception:  # as above
        return ""
