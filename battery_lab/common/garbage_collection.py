"""Garbage collection: postponed while a command imports and builds, as what that makes lives until the process ends.

Python searches all objects for cycles again and again while their number grows, which takes a fifth of the time of
imports, and twice more when it exits, which takes a second or two.
"""

from __future__ import annotations

import atexit
import gc
from collections.abc import Iterator
from contextlib import contextmanager

# New objects until the next search. A search of all objects is proportionally rarer.
STARTING = 200_000


@contextmanager
def postponed_collection() -> Iterator[None]:
    """Search rarely for cycles within this context, and as before after it."""
    before = gc.get_threshold()
    # 0 is no search at all.
    if before[0]:
        gc.set_threshold(max(before[0], STARTING), *before[1:])
    try:
        yield
    finally:
        gc.set_threshold(*before)


def exit_without_collection() -> None:
    """Have this process search for no cycles when it exits, as the system reclaims its memory.

    Only for processes that end with what the lab does in them: a program that calls the lab may rely on that search.
    """
    # Python calls it just before it would search.
    atexit.unregister(gc.freeze)
    atexit.register(gc.freeze)
