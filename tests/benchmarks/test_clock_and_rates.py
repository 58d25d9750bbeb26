"""Clock and rates: the clock, rates and their ratios."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from benchmarks import clock_and_rates
from benchmarks.clock_and_rates import Clock


def at(*times: float) -> Any:
    """Return a function that returns these times, one per call."""
    remaining = iter(times)
    return lambda: next(remaining)


def test_clock_ends_at_the_requested_time() -> None:
    clock = Clock(2, now=at(*np.arange(0, 4, 0.1)))
    continues = [clock.mark(step) for step in range(40)]
    assert continues.index(False) == 20


def test_clock_measures_half_of_the_time_after_a_compilation() -> None:
    clock = Clock(2, now=at(0.0, *np.arange(1.9, 6, 0.1)))
    continues = [clock.mark(step) for step in range(30)]
    assert clock.marks[continues.index(False)][1] == pytest.approx(2.9)


def test_clock_ends_at_three_times_the_requested_time() -> None:
    clock = Clock(2, now=at(*np.arange(0, 20, 1.0)))
    continues = [clock.mark(step) for step in range(15)]
    assert clock.marks[continues.index(False)][1] == 6.0


def test_time_starts_when_the_replay_buffer_is_full() -> None:
    clock = Clock(5, fill=100, now=at(0, 7, 8, 9))
    assert [clock.mark(steps) for steps in (50, 99, 100, 110)] == [True] * 4
    assert clock.marks == [(100, 8), (110, 9)]


def test_clock_runs_a_training_loop_until_its_end() -> None:
    steps = []

    def training() -> Iterator[int]:
        for step in range(1000):
            steps.append(step)
            yield 10 * (step + 1)

    clock = Clock(1, now=at(*np.arange(0, 3, 0.05)))
    clock.follow(training())
    assert len(steps) == 20
    assert clock.marks[0][0] == 0


COMPILES = [(0, 0.0), (100, 8.0), (300, 9.0), (500, 10.0), (700, 11.0), (900, 12.0), (1100, 13.0)]


def test_rate_includes_compilation_and_ends_at_the_requested_time() -> None:
    assert clock_and_rates.rate(COMPILES, 10) == 50.0


def test_steady_rate_covers_the_last_half_of_the_time() -> None:
    assert clock_and_rates.steady_rate(COMPILES, 10) == 200.0


def test_rates_of_a_single_long_step() -> None:
    marks = [(0, 0.0), (100, 50.0)]
    assert clock_and_rates.rate(marks, 10) == clock_and_rates.steady_rate(marks, 10) == 2.0


def test_slowest_step() -> None:
    assert clock_and_rates.slowest_step(COMPILES) == 8.0


def test_ratios_are_computed_per_repetition() -> None:
    # The machine was slow in the third repetition, which affects both rates alike.
    assert clock_and_rates.ratios({0: 4, 1: 6, 2: 1}, {0: 2, 1: 2, 2: 0.5}) == {"median": 2.0, "min": 2.0, "max": 3.0}


def test_ratios_ignore_repetitions_without_both_rates() -> None:
    assert clock_and_rates.ratios({0: 4, 1: 6}, {1: 2, 2: 5})["median"] == 3.0
