"""Rows of price files, each of which knows the file and the line that it came from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from battery_lab.common.errors import DataError

MISSING = ("", "NA", "N/A", "NaN", "nan", "NULL", "null", "None")


def complaint(file: Path, row: int, problem: str, remedy: str) -> DataError:
    """Return the error for one row of a file.

    Args:
        file: the file, as the user would find it.
        row: its row as an editor shows it: the header is row 1.
        problem: what is wrong there.
        remedy: what to do, as a sentence.
    """
    return DataError(f"{file}, row {row}: {problem}. {remedy}")


@dataclass(frozen=True, kw_only=True)
class Rows:
    """Rows of one or more files, in the order that they are to be read in.

    Attributes:
        files: the files.
        frame: one row each, with ``file`` (index into ``files``), ``row`` (in that file), ``stamp`` (as the file has
            it), ``price`` and the further columns.
        utc: (N,) datetime64[s], the stamps on the UTC clock.
    """

    files: Sequence[Path]
    frame: pd.DataFrame
    utc: NDArray[np.datetime64]

    def file(self, i: int) -> Path:
        """Return the file that row ``i`` came from."""
        return self.files[int(self.frame["file"].iloc[i])]

    def row(self, i: int) -> int:
        """Return which row of its file row ``i`` is."""
        return int(self.frame["row"].iloc[i])

    def stamp(self, i: int) -> str:
        """Return the stamp of row ``i`` on the file's own clock."""
        return f"{self.frame['stamp'].iloc[i]:%Y-%m-%d %H:%M:%S}"

    def place(self, i: int, beside: int) -> str:
        """Return where row ``i`` is, as seen from row ``beside``."""
        row = f"row {self.row(i)}"
        return row if self.file(i) == self.file(beside) else f"{row} of {self.file(i)}"

    def complaint(self, i: int, problem: str, remedy: str) -> DataError:
        """Return the error for row ``i``."""
        return complaint(self.file(i), self.row(i), problem, remedy)


def to_numbers(file: Path, rows: pd.Series, cells: pd.Series, name: str) -> NDArray[np.float64]:
    """Turn a column into numbers.

    Args:
        file: the file.
        rows: (N,) the row of each cell in its file.
        cells: (N,) text or numbers.
        name: the column as the file names it.

    Returns:
        (N,) float64, NaN where the file has nothing.

    Raises:
        DataError: a cell holds something else than a finite number.
    """
    missing = (cells.isna() | cells.isin(MISSING)).to_numpy()
    values = np.where(missing, np.nan, cells.to_numpy(object))
    try:
        numbers = values.astype(np.float64)
    except (ValueError, TypeError):
        numbers = np.array([_number(value) for value in values])
    if pd.api.types.is_bool_dtype(cells):
        numbers = np.full(len(cells), np.nan)
    wrong = ~np.isfinite(numbers) & ~missing
    if wrong.any():
        i = int(np.argmax(wrong))
        remedy = "Correct the file, or leave the cell empty and choose market.gaps=fill or split"
        raise complaint(file, int(rows.iloc[i]), f"{name} is {cells.iloc[i]!r}, which is not a finite number", remedy)
    return numbers


def _number(value: object) -> float:
    try:
        return float(value)  # type: ignore[arg-type]
    except (ValueError, TypeError):
        return np.nan


def pick(file: Path, frame: pd.DataFrame, field: str, wanted: str | None) -> pd.DataFrame:
    """Return the rows of one region, zone, node or other choice.

    Args:
        file: the file.
        frame: its rows, with a column named as the choice is.
        field: the choice as the option names it, for instance ``region``.
        wanted: which one; None takes the only one there is.

    Raises:
        DataError: the file mixes several and none is chosen.
    """
    found = pd.unique(frame[field])
    if wanted is None:
        if len(found) > 1:
            raise mixed(file, int(frame["row"].iloc[int(np.argmax(frame[field] != found[0]))]), field, found)
        return frame
    return frame[frame[field].isin([name for name in found if name.casefold() == wanted.casefold()])]


def mixed(file: Path, row: int, field: str, found: Sequence[str]) -> DataError:
    """Return the error for rows of several regions, zones or nodes where one was to be found."""
    what = field.replace("_", " ")
    return complaint(file, row, f"a second {what} begins: {listed(found)}", f"Choose one with market.{field}=...")


def listed(names: Sequence[str]) -> str:
    """Return names in a sentence, the first dozen of them."""
    shown = ", ".join(str(name) or "(empty)" for name in names[:12])
    return shown + (f" and {len(names) - 12} more" if len(names) > 12 else "")
