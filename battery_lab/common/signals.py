"""What SIGINT and SIGTERM do to a command: it stops at once, or, while it trains, with a checkpoint."""

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
    """A signal asked a command to stop, and it stops where it stands; what is open winds up as after Ctrl-C.

    Attributes:
        number: the signal.
    """

    def __init__(self, number: int) -> None:
        """Remember the signal."""
        super().__init__(f"stopped by {signal.Signals(number).name}")
        self.number = number


@contextmanager
def stop_at_once() -> Iterator[None]:
    """Have the first SIGINT or SIGTERM raise Stopped; a second one ends the process there and then."""
    with on_stop(_raise, _end):
        yield


@contextmanager
def on_stop(first: Act, later: Act | None = None) -> Iterator[None]:
    """Act on the first SIGINT or SIGTERM, and otherwise on a later one.

    `timeout`, `make` and schedulers signal the process and its group, which is one wish that comes twice.

    Args:
        first: called with the number of the first signal.
        later: with that of one that is no echo of it; None: what it would do without us.
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
        for wanted in SIGNALS:
            before[wanted] = signal.signal(wanted, handle)
    except ValueError:
        # Not the main thread: whoever runs us there handles signals.
        before.clear()
    try:
        yield
    finally:
        del _received[already:]
        # What is wished again while everything winds up is dealt with above.
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
    # Python's own answer to Ctrl-C is a traceback, which is none to somebody who asks twice.
    signal.signal(number, signal.SIG_DFL)
    _repeat(number)
