"""Peak memory of this process and of its descendants, from /proc."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path


def peak_memory_mb() -> float:
    """Return the peak memory of this process in MB."""
    return _status_mb(Path("/proc/self/status"), "VmHWM")


def children_memory_mb() -> float:
    """Return the sum of the peak memory of all descendant processes in MB; shared pages count in each."""
    return sum(_status_mb(path, "VmHWM") for path in _descendants(Path("/proc/self").resolve().name))


def _descendants(process: str) -> Iterator[Path]:
    for task in Path(f"/proc/{process}/task").glob("*/children"):
        for child in task.read_text().split():
            yield Path(f"/proc/{child}/status")
            yield from _descendants(child)


def _status_mb(path: Path, field: str) -> float:
    try:
        lines = path.read_text().splitlines()
    except OSError:
        return 0.0
    return sum(int(line.split()[1]) for line in lines if line.startswith(f"{field}:")) / 1024
