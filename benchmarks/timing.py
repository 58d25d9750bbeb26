"""Clocks, memory and the arithmetic of the benchmark; nothing here knows of an algorithm."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from pathlib import Path

Marks = Sequence[tuple[int, float]]
LONGEST = 3  # times the seconds asked, after which a clock ends in any case


class Clock:
    """Takes down how far a training was, and when.

    It runs for the time asked, and on until half of that went by without a step of a tenth of it or more: those are
    compilations, after which there must be something to measure. Three times the time asked is the end in any case.
    """

    def __init__(self, seconds: float, fill: int = 0, now: Callable[[], float] = time.perf_counter) -> None:
        """Run for so many seconds, once so many environment steps are done that do not count."""
        self.seconds, self.fill, self._now = seconds, fill, now
        self.marks: list[tuple[int, float]] = []
        self._calm_since = 0.0

    def mark(self, env_steps: int) -> bool:
        """Note the environment steps so far; returns whether to go on."""
        now = self._now()
        if env_steps < self.fill:
            return True
        if not self.marks or now - self.marks[-1][1] >= self.seconds / 10:
            self._calm_since = now
        self.marks.append((env_steps, now))
        passed, calm = now - self.marks[0][1], now - self._calm_since
        return passed < self.seconds or (calm < self.seconds / 2 and passed < LONGEST * self.seconds)

    def follow(self, training: Iterable[int]) -> None:
        """Consume a training that yields its environment steps after each of its own steps, until time is up."""
        # What is compiled in the very first step counts too.
        self.mark(0)
        for env_steps in training:
            if not self.mark(env_steps):
                return


def rate(marks: Marks, seconds: float) -> float:
    """Environment steps per second over the time asked, from its first on: compilation and warming up counted in."""
    within = [mark for mark in marks if mark[1] - marks[0][1] < seconds]
    return _between(marks[0], marks[min(len(within), len(marks) - 1)])


def steady_rate(marks: Marks, seconds: float) -> float:
    """The same over the last half of that time, when what had to be compiled is."""
    early = [mark for mark in marks[:-1] if marks[-1][1] - mark[1] >= seconds / 2]
    return _between(early[-1] if early else marks[0], marks[-1])


def _between(first: tuple[int, float], last: tuple[int, float]) -> float:
    return (last[0] - first[0]) / (last[1] - first[1])


def slowest_step(marks: Marks) -> float:
    """The longest time between two marks, seconds: where something was compiled in the foreground, that."""
    return max(after[1] - before[1] for before, after in pairwise(marks))


def spread(values: Iterable[float]) -> dict[str, float]:
    """Median, least and most."""
    values = list(values)
    return {"median": statistics.median(values), "min": min(values), "max": max(values)}


def ratios(ours: Mapping[int, float], theirs: Mapping[int, float]) -> dict[str, float]:
    """How many times faster we are, repetition by repetition: what slows a machine slows both sides of one."""
    both = sorted(ours.keys() & theirs.keys())
    return spread(ours[repeat] / theirs[repeat] for repeat in both)


def peak_memory_mb() -> float:
    """The most memory that this process ever held, MB."""
    return _status_mb(Path("/proc/self/status"), "VmHWM")


def children_memory_mb() -> float:
    """The same of all processes below this one, for instance Ray's; pages shared between them count in each."""
    return sum(_status_mb(path, "VmHWM") for path in _below(Path("/proc/self").resolve().name))


def _below(process: str) -> Iterator[Path]:
    for task in Path(f"/proc/{process}/task").glob("*/children"):
        for child in task.read_text().split():
            yield Path(f"/proc/{child}/status")
            yield from _below(child)


def _status_mb(path: Path, field: str) -> float:
    try:
        lines = path.read_text().splitlines()
    except OSError:
        return 0.0
    return sum(int(line.split()[1]) for line in lines if line.startswith(f"{field}:")) / 1024
