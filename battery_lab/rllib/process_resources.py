"""Threads and memory of the process that samples or learns."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import torch

# mallopt(3): free memory at the end of the heap above which it goes back to the system, and the least size of memory
# that is had from the system, and given back, by itself; glibc takes no larger one than 32 MiB for the second.
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3
KEPT_BYTES, LARGE_BYTES = 512 << 20, 32 << 20
CPU_QUOTA = Path("/sys/fs/cgroup/cpu.max")  # of control groups, version 2: "<microseconds, or max> <in so many>"


@contextmanager
def torch_threads(count: int) -> Iterator[None]:
    """Have torch compute with so many threads for a while."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def cores(quota: Path = CPU_QUOTA) -> int:
    """Return how many cores this process may use: by its affinity, and by the quota of its container."""
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    try:
        share, period = quota.read_text().split()
        return allowed if share == "max" else max(1, min(allowed, int(share) // int(period)))
    except (OSError, ValueError):
        return allowed


@cache
def keep_freed_memory() -> bool:
    """Have freed memory used again, where the C library is glibc; returns whether it is.

    A gradient step frees and takes some megabytes in pieces of 0.1 to 10 MB. Pieces of that size go back to the system
    by default, which clears them, page by page, whenever they are taken again.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):
        return False
    return bool(mallopt(M_TRIM_THRESHOLD, KEPT_BYTES) and mallopt(M_MMAP_THRESHOLD, LARGE_BYTES))
