"""Hour numbers: cells that number hours or intervals of a day from 1."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from battery_lab.market.file_formats.rows_with_source import row_error


def whole_numbers(file: Path, row: pd.Series, text: pd.Series, name: str, highest: int) -> pd.Series:
    """Return a column as whole numbers from 1 to ``highest``.

    Raises:
        DataError: a cell holds anything else.
    """
    number = pd.to_numeric(text, errors="coerce")
    wrong = ~number.isin(range(1, highest + 1)).to_numpy()
    if wrong.any():
        i = int(np.argmax(wrong))
        problem = f"{name} is {text.iloc[i]!r}, not a whole number from 1 to {highest}"
        raise row_error(file, int(row.iloc[i]), problem, "Correct the row, or download the file again")
    return number.astype("int64")


def after_midnight(day: pd.Series, minutes: pd.Series | int) -> pd.Series:
    """Return days, datetime64[s], plus minutes."""
    stamps: pd.Series = day + pd.to_timedelta(minutes, unit="min").astype("timedelta64[s]")
    return stamps
