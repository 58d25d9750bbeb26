"""Row order: rows of all files in increasing order of time; a file may begin with its newest rows."""

from __future__ import annotations

import numpy as np
import pandas as pd

from battery_lab.market.file_formats.rows_with_source import VERSION, Rows
from battery_lab.market.intervals.one_row_per_interval import one_per_interval

NO_TIME = np.timedelta64(0, "s")
# Of the steps from row to row, the least share that goes back in a file whose newest rows are first.
NEWEST_FIRST_SHARE = 0.9


def oldest_first(frame: pd.DataFrame) -> tuple[pd.DataFrame, bool]:
    """Return the rows of a file from the oldest to the newest, and whether the file had them the other way round."""
    if len(frame) < 2:
        return frame, False
    stamp = frame["stamp"].to_numpy("datetime64[s]")
    back = np.diff(stamp) < NO_TIME
    moves = np.count_nonzero(np.diff(stamp) != NO_TIME)
    if stamp[0] <= stamp[-1] or not moves or back.sum() < NEWEST_FIRST_SHARE * moves:
        return frame, False
    return frame.iloc[::-1], True


def in_order(rows: Rows, any_order: bool = False) -> Rows:
    """Return rows in increasing order of time, with one row for each interval.

    Rows of one interval with the same values count once. Of rows with a column ``version``, only the newest of an
    interval count.

    Args:
        rows: rows of any files; those of one file in increasing order.
        any_order: whether the rows of a file may be in any order.

    Raises:
        DataError: two rows of one interval have different values, or the rows of a file are not in order.
    """
    order = np.argsort(rows.utc, kind="stable")
    ordered = rows.take(order)
    kept = one_per_interval(ordered)
    if not any_order:
        check_increasing(rows.take(np.sort(order[kept])))
    ordered = ordered if kept.all() else ordered.take(np.flatnonzero(kept))
    return ordered.without(VERSION)


def check_increasing(rows: Rows) -> None:
    """Raise DataError unless each stamp of a file is later than the one before it in the file."""
    same_file = np.diff(rows.frame["file"].to_numpy()) == 0
    back = np.flatnonzero(same_file & (np.diff(rows.utc) < NO_TIME))
    if len(back):
        i = int(back[0]) + 1
        problem = f"{rows.stamp(i)} comes after {rows.stamp(i - 1)} in {rows.place(i - 1, beside=i)}"
        remedy = "Sort the rows by time, oldest or newest first"
        raise rows.error(i, f"the rows are not in order of time: {problem}", remedy)
