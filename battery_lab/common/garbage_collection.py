"""Garbage collection: postponed while a command starts, as what it imports then lives until the process ends.

Python searches all objects for cycles again and again while their number grows, which takes a fifth of the time of
imports, and twice more when it exits, which takes a second or two.
"""

from __future__ import annotations

import atexit
import gc
from collections.abc import Iterator
from contextlib import contextmanager

# New objects until the next search. A search of all objects is proportionally rarer.
USUAL, STARTING = 700, 200_000


@contextmanager
def postponed_collection() -> Iterator[None]:
    """Search rarely for cycles within this context, and not at all at the end of the process."""
    before = gc.get_threshold()
    gc.set_threshold(STARTING, *before[1:])
    # Python calls it just before it would search. The system reclaims the memory.
    atexit.unregister(gc.freeze)
    atexit.register(gc.freeze)
    try:
        yield
    finally:
        gc.set_threshold(*before)
        gc.unfreeze()


@contextmanager
def usual_collection() -> Iterator[None]:
    """Search as often as Python does within this context, and exclude what exists before it.

    Within ``postponed_collection`` only; elsewhere nothing is changed, as what exists may become garbage later.
    """
    before = gc.get_threshold()
    if before[0] != STARTING:
        yield
        return
    gc.freeze()
    gc.set_threshold(USUAL, *before[1:])
    try:
        yield
    finally:
        gc.set_threshold(*before)
