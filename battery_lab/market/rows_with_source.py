"""Rows with source: parsed rows of price files, with the file and row they came from for error messages."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from battery_lab.common.errors import DataError

# Beyond any price or power in any unit: 1e15 is a billion times a large power system in MW.
LARGEST = 1e15
MISSING = ("", "NA", "N/A", "NaN", "nan", "NULL", "null", "None", "#N/A", "-")


def row_error(file: Path, row: int, problem: str, remedy: str) -> DataError:
    """Return the error for one row of a file.

    Args:
        file: the file.
        row: the row as an editor shows it; the header is row 1.
        problem: what is wrong with the row.
        remedy: what to do, as a sentence.
    """
    return DataError(f"{file}, row {row}: {problem}. {remedy}")


@dataclass(frozen=True, kw_only=True)
class Rows:
    """Rows of one or more files, in reading order.

    Attributes:
        files: the files.
        frame: N rows with ``file`` (index into ``files``), ``row`` (in that file), ``stamp`` (as in the file),
            ``price`` and further columns.
        utc: (N,) datetime64[s], the stamps in UTC.
    """

    files: Sequence[Path]
    frame: pd.DataFrame
    utc: NDArray[np.datetime64]

    def file(self, i: int) -> Path:
        """Return the file of row ``i``."""
        return self.files[int(self.frame["file"].iloc[i])]

    def row(self, i: int) -> int:
        """Return the number of row ``i`` in its file."""
        return int(self.frame["row"].iloc[i])

    def stamp(self, i: int) -> str:
        """Return the stamp of row ``i`` on the file's own clock."""
        return f"{self.frame['stamp'].iloc[i]:%Y-%m-%d %H:%M:%S}"

    def place(self, i: int, beside: int) -> str:
        """Return the position of row ``i``, with its file unless row ``beside`` is in the same file."""
        row = f"row {self.row(i)}"
        return row if self.file(i) == self.file(beside) else f"{row} of {self.file(i)}"

    def error(self, i: int, problem: str, remedy: str) -> DataError:
        """Return the error for row ``i``."""
        return row_error(self.file(i), self.row(i), problem, remedy)


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
