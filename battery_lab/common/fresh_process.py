"""Fresh processes: functions that run in copies of this process, so that nothing that they leave in memory stays."""

from __future__ import annotations

import multiprocessing
import traceback
from collections.abc import Callable
from multiprocessing.connection import Connection
from multiprocessing.context import ForkProcess
from typing import Any, TypeVar

from battery_lab.common.errors import LabError

T = TypeVar("T")


def in_fresh_processes(name: str, *functions: Callable[[], T]) -> list[T]:
    """Return the results of functions, each of which runs in a copy of this process of its own, at the same time.

    Args:
        name: the option that errors name.
        functions: the functions; their results must be picklable.

    Raises:
        LabError: a process ended without a result.
        Exception: what the first of the functions raised; the traceback in its process is a note.
    """
    running: list[tuple[ForkProcess, Connection]] = []
    try:
        for function in functions:
            running.append(_start(function))
        return [_result(name, *each) for each in running]
    finally:
        for process, receiver in running:
            receiver.close()
            process.kill()
            process.join()


def _start(function: Callable[[], Any]) -> tuple[ForkProcess, Connection]:
    context = multiprocessing.get_context("fork")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_run, args=(function, sender))
    process.start()
    sender.close()
    return process, receiver


def _run(function: Callable[[], Any], sender: Connection) -> None:
    message: tuple[Any, Exception | None]
    try:
        message = (function(), None)
    except Exception as error:
        error.add_note(traceback.format_exc())
        message = (None, error)
    sender.send(message)


def _result(name: str, process: ForkProcess, receiver: Connection) -> Any:
    try:
        value, error = receiver.recv()
    except EOFError:
        process.join()
        raise LabError(
            f"{name} ended its process with exit status {process.exitcode}, without a result: correct the function"
        ) from None
    if error is not None:
        raise error
    return value
