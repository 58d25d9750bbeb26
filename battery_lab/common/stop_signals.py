"""Signals: a command stops at once on SIGINT or SIGTERM; a training saves a checkpoint first."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any, NoReturn

SIGNALS = (signal.SIGINT, signal.SIGTERM)
SAME_SIGNAL_S = 1.0

Act = Callable[[int], None]

# The first signal of each ``on_stop`` that is in effect in this process.
_received: list[int] = []


class Stopped(KeyboardInterrupt):
    """A signal stopped a command at once; it cleans up as after Ctrl-C.

    Attributes:
        number: number of the signal.
    """

    def __init__(self, number: int) -> None:
        """Store the signal."""
        super().__init__(f"stopped by {signal.Signals(number).name}")
        self.number = number


@contextmanager
def stop_at_once() -> Iterator[None]:
    """Raise Stopped on the first SIGINT or SIGTERM, and end the process on a second one."""
    with on_stop(_raise, _end):
        yield


@contextmanager
def on_stop(first: Act, later: Act | None = None) -> Iterator[None]:
    """Call one function on the first SIGINT or SIGTERM, and another one on a later signal.

    `timeout`, `make` and schedulers send a signal to the process and to its group, so one request arrives twice.
    Signals within a second of the first one are ignored.

    Args:
        first: called with the number of the first signal.
        later: called with the number of a later signal; None: the previous handler runs.
    """
    before: dict[int, Any] = {}
    since: float | None = None
    already = len(_received)

    def handle(number: int, frame: FrameType | None) -> None:
        nonlocal since
        if since is None:
            since = time.monotonic()
            _received.append(number)
            first(number)
        elif time.monotonic() - since > SAME_SIGNAL_S:
            _restore(before)
            (later or _repeat)(number)

    try:
        for number in SIGNALS:
            before[number] = signal.signal(number, handle)
    except ValueError:
        # Not the main thread, which handles signals.
        before.clear()
    try:
        yield
    finally:
        del _received[already:]
        # After a signal, the handler stays for later ones during the cleanup.
        if since is None:
            _restore(before)


def raise_if_stopping() -> None:
    """Raise Stopped if ``on_stop`` has received a signal; for waits that are too long to finish before a stop."""
    if _received:
        raise Stopped(_received[-1])


def _restore(before: dict[int, Any]) -> None:
    for number, handler in before.items():
        signal.signal(number, handler)


def _raise(number: int) -> NoReturn:
    raise Stopped(number)


def _repeat(number: int) -> None:
    os.kill(os.getpid(), number)


def _end(number: int) -> None:
    # No traceback on a second Ctrl-C, which Python's own handler would print.
    signal.signal(number, signal.SIG_DFL)
    _repeat(number)
