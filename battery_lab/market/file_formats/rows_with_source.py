"""Rows with source: parsed rows of price files, with the file and row they came from for error messages."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from battery_lab.common.errors import DataError

# Columns of rows that some readers give: which pass of a repeated hour, which of several rows for an interval is the
# newest, and the length of the interval in seconds.
REPEATED, VERSION, LENGTH = "repeated", "version", "length"
NOT_VALUES = ("file", "row", "stamp", REPEATED, VERSION, LENGTH)
# A cell of a damaged file may have millions of letters.
MOST_LETTERS = 600


def row_error(file: Path, row: int, problem: str, remedy: str) -> DataError:
    """Return the error for one row of a file.

    Args:
        file: the file.
        row: the row as an editor shows it; the header is row 1.
        problem: what is wrong with the row.
        remedy: what to do, as a sentence.
    """
    shown = problem if len(problem) <= MOST_LETTERS else f"{problem[:MOST_LETTERS]}..."
    return DataError(f"{file}, row {row}: {shown}. {remedy}")


def file_error(file: Path, problem: str, remedy: str) -> DataError:
    """Return the error for a file as a whole; arguments as of :func:`row_error`."""
    return DataError(f"{file}: {problem}. {remedy}")


@dataclass(frozen=True, kw_only=True)
class Rows:
    """Rows of one or more files, in reading order.

    Attributes:
        files: the files.
        frame: N rows with ``file`` (index into ``files``), ``row`` (in that file), ``stamp`` (as in the file),
            ``price`` and further columns. ``version`` is larger in newer rows, and ``length`` is that of the interval,
            seconds, where the reader gives them.
        utc: (N,) datetime64[s], the stamps in UTC.
    """

    files: Sequence[Path]
    frame: pd.DataFrame
    utc: NDArray[np.datetime64]

    @property
    def value_names(self) -> list[str]:
        """The columns that hold values."""
        return [name for name in self.frame.columns if name not in NOT_VALUES]

    def without(self, column: str) -> Rows:
        """Return the rows without a column, which need not be there."""
        return Rows(files=self.files, frame=self.frame.drop(columns=column, errors="ignore"), utc=self.utc)

    def take(self, places: NDArray[np.int64]) -> Rows:
        """Return the rows at these places, in their order."""
        return Rows(files=self.files, frame=self.frame.iloc[places].reset_index(drop=True), utc=self.utc[places])

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
