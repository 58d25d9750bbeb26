"""Table columns: the columns of a table by their names in files, in any case and with any blanks."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from battery_lab.common.errors import DataError, shorten
from battery_lab.market.file_formats.rows_with_source import row_error

# Keys of a table's attrs: the names of its columns as the file has them, and the row of the header.
HEADER, HEADER_ROW = "header", "header_row"
MOST_NAMES = 12


def plain(name: str) -> str:
    """Return a column name in lower case, without blanks and punctuation."""
    return "".join(letter for letter in name.lower() if letter.isalnum())


def join_names(names: Sequence[str]) -> str:
    """Return names as text, at most the first twelve; a damaged file may have long ones."""
    shown = ", ".join(shorten(str(name), 60) or "(empty)" for name in names[:MOST_NAMES])
    return shown + (f" and {len(names) - MOST_NAMES:,} more" if len(names) > MOST_NAMES else "")


def find_column(names: Sequence[str], name: str) -> str | None:
    """Return the column of a name: the one of exactly this name, else the only one with the same letters and digits."""
    if name in names:
        return name
    alike = [other for other in names if plain(other) == plain(name) != ""]
    return alike[0] if len(alike) == 1 else None


def no_column_error(file: Path, table: pd.DataFrame, names: Sequence[str], remedy: str) -> DataError:
    """Return the error for a table without a column of any of the names."""
    problem = (
        f"there is no column {' or '.join(names)}, only {join_names(table.attrs.get(HEADER, list(table.columns)))}"
    )
    return row_error(file, table.attrs.get(HEADER_ROW, 1), problem, remedy)


def check_unique(file: Path, table: pd.DataFrame, name: str, key: Callable[[str], str] = str) -> None:
    """Raise DataError if the header has a column's name twice: which of the two is meant is not known.

    Args:
        file: the file.
        table: what :func:`battery_lab.market.file_formats.price_files.read_file` returned.
        name: the name as it stands in the header.
        key: names with the same key are the same.
    """
    places = [place for place, other in enumerate(table.attrs[HEADER], 1) if key(other) == key(name)]
    if len(places) > 1:
        problem = f"the column {name!r} stands {len(places)} times, as columns {', '.join(map(str, places))}"
        raise DataError(f"{file}: {problem}. Rename or remove all but one of them")


def named_columns(file: Path, table: pd.DataFrame, names: Mapping[str, Sequence[str]], kind: str) -> pd.DataFrame:
    """Return the requested columns as text under the lab's names, and the row in the file as ``row``.

    Args:
        file: the file.
        table: what :func:`battery_lab.market.file_formats.price_files.read_file` returned.
        names: for each requested column, its possible names in files. Case, blanks and punctuation are ignored.
        kind: the kind of file, for the error message.

    Raises:
        DataError: the file does not have a requested column.
    """
    columns = {plain(str(name)): name for name in reversed(table.columns)}
    frame = pd.DataFrame({"row": table.index}, index=table.index)
    for name, aliases in names.items():
        column = next((columns[plain(alias)] for alias in aliases if plain(alias) in columns), None)
        if column is None:
            raise no_column_error(file, table, aliases, f"market.path must name {kind}")
        check_unique(file, table, str(column), plain)
        frame[name] = as_text(table[column])
    return frame


def has_column(table: pd.DataFrame, names: Sequence[str]) -> bool:
    """Return whether a table has a column with one of the names."""
    return not {plain(name) for name in names}.isdisjoint(plain(str(name)) for name in table.columns)


def as_text(cells: pd.Series) -> pd.Series:
    """Return cells as text without blanks around them; Parquet cells as CSV files have them, missing ones as ""."""
    if isinstance(cells.dtype, pd.StringDtype):
        return cells.str.strip()
    missing = cells.isna()
    if pd.api.types.is_float_dtype(cells) and np.array_equal(cells[~missing], np.floor(cells[~missing])):
        whole = cells.where(~missing, 0).astype("int64") if (cells.abs() < 1e15).all() else cells
        return whole.astype(str).where(~missing, "").astype(str)
    return cells.astype(str).where(~missing, "").astype(str).str.strip()
