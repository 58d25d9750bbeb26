"""Row checks: increasing order, no duplicates, and one interval length."""

from __future__ import annotations

import numpy as np
import pandas as pd

from battery_lab.market.rows_with_source import Rows

INTERVALS_MIN = (5, 6, 10, 12, 15, 20, 30, 60)
# A run of this many equal steps that are not the interval is another interval length, not a series of gaps.
OTHER_INTERVAL_STEPS = 6


def check_increasing(rows: Rows) -> None:
    """Raise DataError unless each stamp is later than the one before it."""
    duplicate = pd.Series(rows.utc).duplicated().to_numpy()
    if duplicate.any():
        i = int(np.argmax(duplicate))
        first = int(np.argmax(rows.utc == rows.utc[i]))
        problem = f"the interval stamped {rows.stamp(i)} already exists in {rows.place(first, beside=i)}"
        if rows.file(i) == rows.file(first):
            raise rows.error(i, problem, "Keep one of the two rows")
        raise rows.error(i, problem, "The files overlap: keep one of them, or remove the rows that both have")
    back = np.flatnonzero(np.diff(rows.utc) < np.timedelta64(0, "s"))
    if len(back):
        i = int(back[0]) + 1
        problem = f"{rows.stamp(i)} comes after {rows.stamp(i - 1)} in {rows.place(i - 1, beside=i)}"
        raise rows.error(i, f"the rows are not in order of time: {problem}", "Sort the rows by time, oldest first")


def find_interval(rows: Rows, interval_min: int | None, hint: str) -> int:
    """Return the length of an interval in seconds.

    Args:
        rows: rows in order of time.
        interval_min: the length in minutes, if the user sets it; None uses the most frequent step.
        hint: added to the error message if the files mix interval lengths.

    Raises:
        DataError: the rows do not have one interval length of 5 to 60 minutes that divides an hour.
    """
    steps = np.diff(rows.utc).astype(np.int64)
    interval_s = _usual_step(rows, steps) if interval_min is None else 60 * interval_min
    wrong = np.flatnonzero((steps % interval_s != 0) | _other_interval(steps, interval_s))
    if len(wrong):
        i = int(wrong[0])
        usual = "elsewhere" if interval_min is None else "by market.interval_minutes"
        problem = (
            f"wrong interval: {_minutes(steps[i])} minutes from {rows.stamp(i)} to the next stamp, "
            f"{_minutes(interval_s)} {usual}"
        )
        remedy = (
            "Use files with one interval length, or correct the stamps"
            if interval_min is None
            else ("Correct market.interval_minutes (null detects it), or use files with that interval length")
        )
        raise rows.error(i + 1, problem, ". ".join(filter(None, [remedy, hint])))
    return interval_s


def _usual_step(rows: Rows, steps: np.ndarray) -> int:
    if not len(steps):
        remedy = "Use files with more rows, or set market.interval_minutes=..."
        raise rows.error(0, "this is the only row, so the interval length is unknown", remedy)
    lengths, counts = np.unique(steps, return_counts=True)
    usual = int(lengths[np.argmax(counts)])
    if usual not in [60 * minutes for minutes in INTERVALS_MIN]:
        i = int(np.argmax(steps == usual)) + 1
        problem = f"wrong interval: the stamps are {_minutes(usual)} minutes apart"
        raise rows.error(i, problem, f"Resample the prices to one of {INTERVALS_MIN} minutes")
    return usual


def _other_interval(steps: np.ndarray, interval_s: int) -> np.ndarray:
    """Return (T - 1,) True within long runs of one other step."""
    runs = np.flatnonzero(np.diff(steps, prepend=-1) != 0)
    lengths = np.diff(runs, append=len(steps))
    return np.repeat((lengths >= OTHER_INTERVAL_STEPS) & (steps[runs] != interval_s), lengths)


def _minutes(seconds: int) -> str:
    return f"{seconds / 60:g}"
