"""Clock and rates: a clock that ends training runs, environment steps per second, and spreads of rates and ratios."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import pairwise

Marks = Sequence[tuple[int, float]]
MAX_TIME_RATIO = 3  # to the requested seconds, after which a clock ends in any case


class Clock:
    """Records the environment steps of a training run over time.

    It runs for the requested time, and continues until half of that time has passed without a long step, which is one
    of at least a tenth of the requested time. Such a step is a compilation, and the speed after it must be measured.
    The clock ends after ``MAX_TIME_RATIO`` times the requested time in any case.
    """

    def __init__(self, seconds: float, fill: int = 0, now: Callable[[], float] = time.perf_counter) -> None:
        """Set up a clock.

        Args:
            seconds: the requested time.
            fill: environment steps that fill the replay buffer, before time starts.
            now: returns the present time in seconds.
        """
        self.seconds, self.fill, self._now = seconds, fill, now
        self.marks: list[tuple[int, float]] = []
        self._last_long_step = 0.0

    def mark(self, env_steps: int) -> bool:
        """Record the environment steps so far, and return whether to continue."""
        now = self._now()
        if env_steps < self.fill:
            return True
        if not self.marks or now - self.marks[-1][1] >= self.seconds / 10:
            self._last_long_step = now
        self.marks.append((env_steps, now))
        elapsed, calm = now - self.marks[0][1], now - self._last_long_step
        return elapsed < self.seconds or (calm < self.seconds / 2 and elapsed < MAX_TIME_RATIO * self.seconds)

    def follow(self, training: Iterable[int]) -> None:
        """Run a training loop, which yields its environment steps after each iteration, until the time is up."""
        # A compilation in the first iteration counts too.
        self.mark(0)
        for env_steps in training:
            if not self.mark(env_steps):
                return


def rate(marks: Marks, seconds: float) -> float:
    """Return environment steps per second over the requested time, including compilation and warm-up."""
    within = [mark for mark in marks if mark[1] - marks[0][1] < seconds]
    return _between(marks[0], marks[min(len(within), len(marks) - 1)])


def steady_rate(marks: Marks, seconds: float) -> float:
    """Return environment steps per second over the last half of the requested time, after compilation."""
    early = [mark for mark in marks[:-1] if marks[-1][1] - mark[1] >= seconds / 2]
    return _between(early[-1] if early else marks[0], marks[-1])


def _between(first: tuple[int, float], last: tuple[int, float]) -> float:
    return (last[0] - first[0]) / (last[1] - first[1])


def slowest_step(marks: Marks) -> float:
    """Return the longest time between two marks in seconds, such as a compilation in the foreground."""
    return max(after[1] - before[1] for before, after in pairwise(marks))


def spread(values: Iterable[float]) -> dict[str, float]:
    """Return median, minimum and maximum."""
    values = list(values)
    return {"median": statistics.median(values), "min": min(values), "max": max(values)}


def ratios(numerators: Mapping[int, float], denominators: Mapping[int, float]) -> dict[str, float]:
    """Return the spread of ratios per repetition: a slow machine slows both rates of the same repetition."""
    repetitions = sorted(numerators.keys() & denominators.keys())
    return spread(numerators[repeat] / denominators[repeat] for repeat in repetitions)
