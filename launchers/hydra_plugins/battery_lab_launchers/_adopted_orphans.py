"""Adopted orphans: processes whose parents have ended become children of the launcher while it starts a trial.

One of them is the trial. Others are started by a child that ends in that moment, or are a trial of which the launcher
has not heard because it was interrupted. Nothing waits for these, so the launcher does once its trials have ended.
"""

from __future__ import annotations

import ctypes
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

PR_SET_CHILD_SUBREAPER, PR_GET_CHILD_SUBREAPER = 36, 37  # prctl(2)

_lock = threading.Lock()  # the flag is one of the whole process
_adopted: set[int] = set()


@contextmanager
def adopting_orphans() -> Iterator[set[int]]:
    """Have descendants whose parents end become children of this process.

    Yields:
        An empty set for the process IDs of those that the caller waits for.
    """
    libc, before = ctypes.CDLL(None), ctypes.c_int()
    known: set[int] = set()
    with _lock:
        earlier = _children()
        libc.prctl(PR_GET_CHILD_SUBREAPER, ctypes.byref(before))
        libc.prctl(PR_SET_CHILD_SUBREAPER, 1)
        try:
            yield known
        finally:
            libc.prctl(PR_SET_CHILD_SUBREAPER, before.value)
            _adopted.update(_children() - earlier - known)


def reap_orphans() -> None:
    """Wait for the processes adopted above that have ended and are children still."""
    while _adopted:
        with suppress(ChildProcessError):
            os.waitpid(_adopted.pop(), os.WNOHANG)


def _children() -> set[int]:
    """Return the process IDs of the children of this process, started by any of its threads."""
    children: set[int] = set()
    for task in Path("/proc/self/task").iterdir():
        with suppress(OSError):  # The thread has ended, or the kernel has no such list.
            children.update(map(int, (task / "children").read_text().split()))
    return children
