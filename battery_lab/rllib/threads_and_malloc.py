"""Threads and malloc: torch's threads, usable cores, and glibc's allocator in a process that samples or learns."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import torch

# Options of mallopt(3). M_TRIM_THRESHOLD: free bytes at the top of the heap above which they return to the system.
# M_MMAP_THRESHOLD: size from which an allocation gets its own mapping; glibc accepts at most 32 MiB.
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3
KEPT_BYTES, LARGE_BYTES = 512 << 20, 32 << 20
CPU_QUOTA = Path("/sys/fs/cgroup/cpu.max")  # control groups, version 2: "<microseconds or max> <period>"


@contextmanager
def torch_threads(count: int) -> Iterator[None]:
    """Set the number of torch's threads within this context."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def cores(quota: Path = CPU_QUOTA) -> int:
    """Return the number of cores that this process may use, given its affinity and the quota of its container."""
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    try:
        share, period = quota.read_text().split()
        return allowed if share == "max" else max(1, min(allowed, int(share) // int(period)))
    except (OSError, ValueError):
        return allowed


@cache
def keep_freed_memory() -> bool:
    """Have glibc reuse freed memory; return whether the C library supports it.

    A gradient step allocates and frees some megabytes in blocks of 0.1 to 10 MB. By default, blocks of that size return
    to the system, which zeroes their pages each time they are allocated again.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):
        return False
    return bool(mallopt(M_TRIM_THRESHOLD, KEPT_BYTES) and mallopt(M_MMAP_THRESHOLD, LARGE_BYTES))
