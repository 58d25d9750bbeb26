"""Memory limit: refuses options that need more memory than this machine has, before anything is allocated."""

from __future__ import annotations

import functools
import os
from pathlib import Path

from battery_lab.common.errors import ConfigError

# Files of a container's own limit, in bytes: control groups of version 2 and 1.
GROUP_LIMITS = (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"))
GIGABYTE = 1e9


def refuse_beyond_memory(field: str, value: object, needed_bytes: float, content: str) -> None:
    """Raise ConfigError where an option needs more memory than this machine has.

    Args:
        field: the option as users write it, such as ``algo.replay.capacity``.
        value: its value.
        needed_bytes: what it needs, at least.
        content: what takes the memory, for the message.
    """
    available = machine_bytes()
    if needed_bytes > available:
        raise ConfigError(
            f"{field} must need at most the memory of this machine, {available / GIGABYTE:,.1f} GB, and {content} "
            f"takes {needed_bytes / GIGABYTE:,.1f} GB, got {value!r}: choose less"
        )


@functools.cache
def machine_bytes() -> int:
    """Return the memory of this machine, or of the container that this process is in."""
    limits = [os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")]
    for path in GROUP_LIMITS:
        try:
            limits.append(int(path.read_text()))
        except (OSError, ValueError):  # there is no such group, or its limit is "max"
            continue
    return min(limits)
