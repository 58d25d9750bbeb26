"""Row order: rows in increasing order of time, without duplicates."""

from __future__ import annotations

import numpy as np
import pandas as pd

from battery_lab.market.rows_with_source import Rows


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
