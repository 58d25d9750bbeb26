"""What must hold of the rows of price files before they are a series: order, no duplicates, one interval."""

from __future__ import annotations

import numpy as np
import pandas as pd

from battery_lab.market.file_rows import Rows

INTERVALS_MIN = (5, 6, 10, 12, 15, 20, 30, 60)
# So many equal steps in a row that are not the interval are another interval, not gaps.
ERA_STEPS = 6


def check_increasing(rows: Rows) -> None:
    """Raise DataError unless each row's stamp is later than that of the row before it."""
    duplicate = pd.Series(rows.utc).duplicated().to_numpy()
    if duplicate.any():
        i = int(np.argmax(duplicate))
        first = int(np.argmax(rows.utc == rows.utc[i]))
        problem = f"the interval stamped {rows.stamp(i)} is there already in {rows.place(first, beside=i)}"
        if rows.file(i) == rows.file(first):
            raise rows.complaint(i, problem, "Keep one of the two rows")
        raise rows.complaint(i, problem, "The files overlap: keep one of them, or cut the rows that both have")
    back = np.flatnonzero(np.diff(rows.utc) < np.timedelta64(0, "s"))
    if len(back):
        i = int(back[0]) + 1
        problem = f"{rows.stamp(i)} comes after {rows.stamp(i - 1)} in {rows.place(i - 1, beside=i)}"
        raise rows.complaint(i, f"the rows are not in order of time: {problem}", "Sort the rows by time, oldest first")


def find_interval(rows: Rows, asked_min: int | None, hint: str) -> int:
    """Return the length of the rows' intervals in seconds.

    Args:
        rows: rows in order of time.
        asked_min: the length in minutes, if the user says it; otherwise it is the most frequent step.
        hint: what else to say when the files mix intervals.

    Raises:
        DataError: the files do not keep to one interval of 5 to 60 minutes that divides the hour.
    """
    steps = np.diff(rows.utc).astype(np.int64)
    interval_s = _usual_step(rows, steps) if asked_min is None else 60 * asked_min
    wrong = np.flatnonzero((steps % interval_s != 0) | _other_era(steps, interval_s))
    if len(wrong):
        i = int(wrong[0])
        usual = "elsewhere" if asked_min is None else "by market.interval_minutes"
        problem = (
            f"wrong interval: {_minutes(steps[i])} minutes from {rows.stamp(i)} to the next stamp, "
            f"{_minutes(interval_s)} {usual}"
        )
        remedy = (
            "Give files of one interval, or correct the stamps"
            if asked_min is None
            else ("Correct market.interval_minutes (null finds it), or give files of that interval")
        )
        raise rows.complaint(i + 1, problem, ". ".join(filter(None, [remedy, hint])))
    return interval_s


def _usual_step(rows: Rows, steps: np.ndarray) -> int:
    if not len(steps):
        remedy = "Give more rows, or say market.interval_minutes=..."
        raise rows.complaint(0, "this is the only row, so the interval cannot be found", remedy)
    lengths, counts = np.unique(steps, return_counts=True)
    usual = int(lengths[np.argmax(counts)])
    if usual not in [60 * minutes for minutes in INTERVALS_MIN]:
        i = int(np.argmax(steps == usual)) + 1
        problem = f"wrong interval: the stamps are {_minutes(usual)} minutes apart"
        raise rows.complaint(i, problem, f"Resample the prices to one of {INTERVALS_MIN} minutes")
    return usual


def _other_era(steps: np.ndarray, interval_s: int) -> np.ndarray:
    """Return (T - 1,) where a long run of one other step begins or goes on."""
    runs = np.flatnonzero(np.diff(steps, prepend=-1) != 0)
    lengths = np.diff(runs, append=len(steps))
    return np.repeat((lengths >= ERA_STEPS) & (steps[runs] != interval_s), lengths)


def _minutes(seconds: int) -> str:
    return f"{seconds / 60:g}"
