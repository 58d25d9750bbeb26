"""Row order: rows of all files in increasing order of time, with one row for each interval."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from battery_lab.market.reading_context import current_reading
from battery_lab.market.rows_with_source import Rows

VERSION = "version"
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
    kept = _one_per_interval(ordered)
    if not any_order:
        check_increasing(rows.take(np.sort(order[kept])))
    ordered = ordered if kept.all() else ordered.take(np.flatnonzero(kept))
    frame = ordered.frame.drop(columns=VERSION, errors="ignore")
    return Rows(files=ordered.files, frame=frame, utc=ordered.utc)


def check_increasing(rows: Rows) -> None:
    """Raise DataError unless each stamp of a file is later than the one before it in the file."""
    same_file = np.diff(rows.frame["file"].to_numpy()) == 0
    back = np.flatnonzero(same_file & (np.diff(rows.utc) < NO_TIME))
    if len(back):
        i = int(back[0]) + 1
        problem = f"{rows.stamp(i)} comes after {rows.stamp(i - 1)} in {rows.place(i - 1, beside=i)}"
        remedy = "Sort the rows by time, oldest or newest first"
        raise rows.error(i, f"the rows are not in order of time: {problem}", remedy)


def _one_per_interval(rows: Rows) -> NDArray[np.bool_]:
    """Return which rows, sorted by time, are kept."""
    kept = np.ones(len(rows.utc), np.bool_)
    repeated = pd.Series(rows.utc).duplicated(keep=False).to_numpy(bool, copy=True)
    if not repeated.any():
        return kept
    if VERSION in rows.frame:
        kept = _is_newest(rows, repeated)
        repeated &= kept
    again = np.flatnonzero(repeated)
    values = rows.frame[_value_names(rows)].to_numpy(np.float64)
    first = -1
    for i in again:
        if first < 0 or rows.utc[first] != rows.utc[i]:
            first = int(i)
        elif np.array_equal(values[first], values[i], equal_nan=True):
            kept[i] = False
        else:
            raise _different_rows_error(rows, first, int(i))
    dropped = again[~kept[again]]
    if len(dropped):
        kind = "rows that stand elsewhere with the same values"
        current_reading().leave_out(rows.file(int(dropped[0])), kind, len(dropped))
    return kept


def _is_newest(rows: Rows, repeated: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return which rows have the newest version of their interval."""
    version = rows.frame[VERSION].to_numpy(np.float64)
    newest = pd.Series(version).groupby(rows.utc).transform("max").to_numpy()
    kept: NDArray[np.bool_] = ~repeated | (version == newest)
    if not kept.all():
        i = int(np.argmin(kept))
        current_reading().leave_out(rows.file(i), "superseded rows", int((~kept).sum()))
    return kept


def _different_rows_error(rows: Rows, first: int, i: int) -> Exception:
    """Return the error for two rows of one interval with different values."""
    first, i = sorted((first, i), key=lambda k: (int(rows.frame["file"].iloc[k]), rows.row(k)))
    name = next(name for name in _value_names(rows) if rows.frame[name].iloc[first] != rows.frame[name].iloc[i])
    values = [f"{rows.frame[name].iloc[k]:g}" for k in (i, first)]
    problem = (
        f"the interval stamped {rows.stamp(i)} already exists in {rows.place(first, beside=i)}, with another {name} "
        f"({values[0]} here, {values[1]} there)"
    )
    if rows.file(i) == rows.file(first):
        remedy = "Keep one of the two rows"
    else:
        remedy = "The files overlap: keep one of them, or remove the rows that both have"
    return rows.error(i, problem, f"{remedy}; if a column says which is the newer one, name it with market.newest_by")


def _value_names(rows: Rows) -> list[str]:
    return [name for name in rows.frame.columns if name not in ("file", "row", "stamp", VERSION)]
