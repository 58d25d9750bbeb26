"""Cell numbers: the cells of price files as numbers, which of them count as missing, and which are refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from battery_lab.market.rows_with_source import row_error

# Beyond any price or power in any unit: 1e15 is a billion times a large power system in MW.
LARGEST = 1e15
MISSING = ("", "NA", "N/A", "NaN", "nan", "NULL", "null", "None", "#N/A", "-")


def to_numbers(file: Path, rows: pd.Series, cells: pd.Series, name: str) -> NDArray[np.float64]:
    """Convert a column to numbers.

    Args:
        file: the file.
        rows: (N,) the row of each cell in its file.
        cells: (N,) text or numbers.
        name: the name of the column in the file.

    Returns:
        (N,) float64, NaN where the cell is empty.

    Raises:
        DataError: a cell holds anything other than a finite number, or one beyond any price or power.
    """
    missing = (cells.isna() | cells.isin(MISSING)).to_numpy()
    values = np.where(missing, np.nan, cells.to_numpy(object))
    try:
        # Python reads 1_2 as 12.
        if any("_" in value for value in values if isinstance(value, str)):
            raise ValueError
        numbers = values.astype(np.float64)
    except (ValueError, TypeError):
        numbers = np.array([_number(value) for value in values])
    if pd.api.types.is_bool_dtype(cells):
        numbers = np.full(len(cells), np.nan)
    wrong = ~np.isfinite(numbers) & ~missing | (np.abs(numbers) > LARGEST)
    if wrong.any():
        i = int(np.argmax(wrong))
        what = "beyond any price or power" if np.isfinite(numbers[i]) else "not a finite number"
        remedy = "Correct the file, or leave the cell empty and choose market.gaps=fill or split"
        raise row_error(file, int(rows.iloc[i]), f"{name} is {cells.iloc[i]!r}, which is {what}", remedy)
    return numbers


def _number(value: object) -> float:
    try:
        if isinstance(value, str) and "_" in value:
            return np.nan
        return float(value)  # type: ignore[arg-type]
    except (ValueError, TypeError):
        return np.nan
