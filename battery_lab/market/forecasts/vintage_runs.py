"""Vintage runs: the stored arrays of forecasts by run, and how rows of (published, start, value) become runs."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from battery_lab.common.errors import DataError

Times = NDArray[np.datetime64]
Ints = NDArray[np.int64]
SECOND = np.timedelta64(1, "s")
HOUR_S = 3600
# Beyond any price or power in any unit, as in files of prices.
LARGEST = 1e15
# Runs may have holes, but values that are mostly holes come from a wrong step or a wrong stamp.
FEWEST_SHARE = 0.02
SMALL = 10_000


class Runs(NamedTuple):
    """R runs with V values in total, of which each run has a stretch.

    Attributes:
        published: (R,) datetime64[s], UTC, non-decreasing: when the run was really published.
        first: (R,) datetime64[s], UTC: start of the first interval of the run.
        offset: (R + 1,) int64: run r has the values from ``offset[r]`` to before ``offset[r + 1]``.
        values: (V,) float32, perhaps mapped from a file; NaN where nothing was forecast.
    """

    published: Times
    first: Times
    offset: Ints
    values: NDArray[np.float32]

    def rows(self, begin: int, end: int) -> Runs:
        """Return runs ``begin`` to before ``end``, as views."""
        offset = self.offset[begin : end + 1]
        values = self.values[offset[0] : offset[-1]]
        return Runs(self.published[begin:end], self.first[begin:end], offset - offset[0], values)

    def read_only(self) -> Runs:
        """Return arrays that nothing can write to; a mapped array becomes a plain view of its file.

        An array that owns its memory becomes read-only itself. A writable view of another one is copied.
        """
        return Runs(*map(_read_only, (self.published, self.first, self.offset, self.values)))


def check_runs(name: str, runs: Runs) -> None:
    """Raise DataError unless arrays are runs: lengths that match, and runs in order of their publication."""
    counts = {len(runs.published), len(runs.first), len(runs.offset) - 1}
    problem = ""
    if len(counts) != 1 or 0 in counts:
        problem = f"has {sorted(counts)} runs: published, first and offset must agree, and have at least one"
    elif (runs.offset[1:] < runs.offset[:-1]).any() or not 0 <= runs.offset[0] <= runs.offset[-1] <= len(runs.values):
        problem = "has offsets that do not rise, or are beyond its values"
    elif np.isnat(runs.published).any() or np.isnat(runs.first).any():
        problem = "has a run without a time"
    elif (runs.published[1:] < runs.published[:-1]).any():
        problem = "has runs that are not in order of their publication"
    if problem:
        raise DataError(f"the forecast {name!r} {problem}: make it with ForecastVintages.of")


def find_step_s(name: str, published: Times, start: Times, run: NDArray[Any] | None) -> int:
    """Return the length of an interval in seconds: the shortest step from one interval to the next of a run.

    Raises:
        DataError: no run has two intervals.
    """
    key = published if run is None else run
    order = np.lexsort((start, key))
    steps = np.diff(_seconds(start[order]))
    steps = steps[(key[order][1:] == key[order][:-1]) & (steps > 0)]
    if not len(steps):
        raise DataError(f"the forecast {name!r} has no run with two intervals: state their length, step_h")
    return int(steps.min())


def runs_from_rows(
    name: str, step_s: int, published: Times, start: Times, value: NDArray[Any], run: NDArray[Any] | None
) -> Runs:
    """Return rows in any order as runs; see ``ForecastVintages.of``."""
    _check_rows(name, published, start, value)
    published_s, start_s = _seconds(published), _seconds(start)
    _, of_run = np.unique(published_s if run is None else run, return_inverse=True)
    number = int(of_run.max()) + 1
    at, first = np.full(number, np.iinfo(np.int64).min), np.full(number, np.iinfo(np.int64).max)
    np.maximum.at(at, of_run, published_s)  # a run is published when its last value is
    np.minimum.at(first, of_run, start_s)
    ranked = np.lexsort((first, at))
    rank = np.empty(number, np.int64)
    rank[ranked] = np.arange(number)
    order = np.lexsort((start_s, rank[of_run]))
    of_run, start_s, value = rank[of_run[order]], start_s[order], np.asarray(value, np.float32)[order]
    at, first = at[ranked], first[ranked]
    _check_repeats(name, at, of_run, start_s, value)
    place, rest = np.divmod(start_s - first[of_run], step_s)
    if rest.any():
        i = int(np.argmax(rest != 0))
        raise DataError(
            f"the forecast {name!r} published at {_text(at[of_run[i]])} has an interval that starts at "
            f"{_text(start_s[i])}, which is no multiple of {step_s / 60:g} minutes after its first one: correct the "
            "stamps, or the length of its intervals"
        )
    length = np.zeros(number, np.int64)
    np.maximum.at(length, of_run, place + 1)
    offset = np.concatenate([[0], np.cumsum(length)])
    if len(value) < FEWEST_SHARE * offset[-1] and offset[-1] > SMALL:
        raise DataError(
            f"the forecast {name!r} has {len(value):,} values, and its runs span {offset[-1]:,} intervals of "
            f"{step_s / 60:g} minutes: correct the stamps, or the length of its intervals"
        )
    values = np.full(offset[-1], np.nan, np.float32)
    values[offset[of_run] + place] = value
    return Runs(at.astype("datetime64[s]"), first.astype("datetime64[s]"), offset, values)


def _check_rows(name: str, published: Times, start: Times, value: NDArray[Any]) -> None:
    if not len(published) == len(start) == len(value) or not len(value):
        lengths = f"{len(published)}, {len(start)} and {len(value)}"
        raise DataError(f"the forecast {name!r} needs rows of published, start and value, got {lengths} of them")
    for what, times in {"published": published, "start": start}.items():
        if np.isnat(times).any():
            raise DataError(f"the forecast {name!r} has no time in row {int(np.isnat(times).argmax())} of {what}")
    numbers = np.asarray(value, np.float64)
    wrong = np.isinf(numbers) | (np.abs(numbers) > LARGEST)
    if wrong.any():
        i = int(wrong.argmax())
        what = f"published at {published[i]} for {start[i]} is {numbers[i]:g}"
        raise DataError(f"the forecast {name!r} {what}, which is beyond any price or power: correct or remove it")


def _check_repeats(name: str, at: Ints, of_run: Ints, start_s: Ints, value: NDArray[np.float32]) -> None:
    """Raise DataError where an interval of a run has two different values; (N,) rows by run and start."""
    repeated = (of_run[1:] == of_run[:-1]) & (start_s[1:] == start_s[:-1])
    same = (value[1:] == value[:-1]) | (np.isnan(value[1:]) & np.isnan(value[:-1]))
    wrong = repeated & ~same
    if wrong.any():
        i = int(wrong.argmax())
        raise DataError(
            f"the forecast {name!r} published at {_text(at[of_run[i]])} has two values for the interval that starts "
            f"at {_text(start_s[i])}, {value[i]:g} and {value[i + 1]:g}: remove one of them"
        )


def _read_only(array: NDArray[Any]) -> NDArray[Any]:
    if array.flags.writeable:
        array = array if array.base is None else array.copy()
        array.flags.writeable = False
    return np.asarray(array).view()


def _seconds(times: Times) -> Ints:
    return times.astype("datetime64[s]").astype(np.int64)


def whole_seconds_up(times: Times) -> Times:
    """Return times in whole seconds, never an earlier one: a run is not seen before it is published."""
    down = times.astype("datetime64[s]")
    return np.where(down < times, down + SECOND, down)


def _text(seconds: np.int64) -> str:
    return f"{np.datetime64(int(seconds), 's')}Z"
