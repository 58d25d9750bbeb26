"""One row per interval: repeated rows count once, newer versions replace older ones, and conflicts are errors."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from battery_lab.market.file_formats.reading_context import current_reading
from battery_lab.market.file_formats.rows_with_source import LENGTH, VERSION, Rows


def one_per_interval(rows: Rows) -> NDArray[np.bool_]:
    """Return which rows, (N,) sorted by time, are kept.

    Raises:
        DataError: two rows of one interval have different values.
    """
    kept = np.ones(len(rows.utc), np.bool_)
    repeated = pd.Series(rows.utc).duplicated(keep=False).to_numpy(bool, copy=True)
    if not repeated.any():
        return kept
    if VERSION in rows.frame:
        kept = _is_newest(rows, repeated)
        repeated &= kept
    again = np.flatnonzero(repeated)
    values = rows.frame[_compared(rows)].to_numpy(np.float64)
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
        kind = "repeated rows with the same values"
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
    name = next(name for name in _compared(rows) if rows.frame[name].iloc[first] != rows.frame[name].iloc[i])
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


def _compared(rows: Rows) -> list[str]:
    """Return the columns in which rows of one interval must agree."""
    return [*rows.value_names, *([LENGTH] if LENGTH in rows.frame else [])]
