"""Row selection: the rows of one region, zone or node, and those that `market.where` selects."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from battery_lab.common.errors import DataError
from battery_lab.market.file_formats.reading_context import Reading, current_reading
from battery_lab.market.file_formats.rows_with_source import row_error
from battery_lab.market.file_formats.table_columns import as_text, find_column, join_names, no_column_error, plain

WhereValue = str | int | float | bool

__all__ = [
    "chosen_rows",
    "join_names",
    "keep_chosen",
    "keep_versions",
    "keep_where",
    "mixed_selection_error",
    "no_such_value",
    "select_rows",
    "WhereValue",
    "where_texts",
]


class MixedSelectionError(DataError):
    """Files hold several regions, zones or nodes, and none is chosen.

    Attributes:
        field: the option that chooses.
        names: what there is to choose from.
    """

    def __init__(self, message: str, field: str, names: Sequence[str]) -> None:
        super().__init__(message)
        self.field, self.names = field, list(map(str, names))


def select_rows(file: Path, frame: pd.DataFrame, field: str, choice: str | None) -> pd.DataFrame:
    """Return the rows of one region, zone or node.

    Args:
        file: the file.
        frame: its rows, with a column ``field``.
        field: the option that selects, for example ``region``.
        choice: the name to select; None selects the only one in the file.

    Raises:
        DataError: ``choice`` is None and the file has several names.
    """
    names = pd.unique(frame[field])
    if choice is None:
        if len(names) > 1:
            second = int(np.argmax(frame[field] != names[0]))
            raise mixed_selection_error(file, int(frame["row"].iloc[second]), field, names)
        return frame
    return frame[frame[field].isin([name for name in names if name.casefold() == choice.casefold()])]


def chosen_rows(file: Path, frame: pd.DataFrame) -> pd.DataFrame:
    """Return the rows that the market's options choose, so that the others need not be parsed.

    Args:
        file: the file.
        frame: its rows, with a column for each selector that the file tells.
    """
    reading = current_reading()
    return _chosen(frame, {field: field for field in reading.choices if field in frame}).copy()


def keep_chosen(table: pd.DataFrame, names: Mapping[str, Sequence[str]]) -> pd.DataFrame:
    """Return the rows of a table that the market's options choose.

    Args:
        table: the table, with the names of its columns as in the file.
        names: for each column that a reader uses, its possible names in files; those of selectors are looked at.
    """
    columns = {plain(str(column)): str(column) for column in reversed(table.columns)}
    found = {}
    for field in current_reading().choices:
        column = next((columns[plain(name)] for name in names.get(field, ()) if plain(name) in columns), None)
        if column is not None:
            found[field] = column
    return _chosen(table, found)


def _chosen(table: pd.DataFrame, columns: Mapping[str, str]) -> pd.DataFrame:
    """Return the rows of a table that have the chosen name in each column, by the option that chooses."""
    reading = current_reading()
    for field, column in columns.items():
        if (choice := reading.choices[field]) is not None:
            cells = as_text(table[column])
            names = pd.unique(cells)
            kept = [name for name in names if name.casefold() == choice.casefold()]
            if len(kept) < len(names):
                reading.see_names(field, list(names))
                table = table[cells.isin(kept).to_numpy(bool)]
    return table


def mixed_selection_error(file: Path, row: int, field: str, names: Sequence[str]) -> MixedSelectionError:
    """Return the error for files that hold several regions, zones or nodes."""
    kind = field.replace("_", " ")
    problem = f"a second {kind} begins: {join_names(names)}"
    error = row_error(file, row, problem, f"Choose one with market.{field}=...")
    return MixedSelectionError(str(error), field, names)


def keep_where(file: Path, table: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of a table that ``market.where`` selects.

    Raises:
        DataError: the table does not have a column of ``market.where``.
    """
    reading = current_reading()
    for name, values in reading.where.items():
        cells = as_text(_column(file, table, "market.where", name))
        lower = cells.str.lower()
        kept = lower.isin(list(values)).to_numpy(bool)
        if not kept.all():
            reading.see(name, [str(value) for value in pd.unique(cells)])
        table = table[kept]
    return table


def keep_versions(file: Path, table: pd.DataFrame) -> None:
    """Keep the column ``market.newest_by`` of a file's rows, for the choice between rows of one interval."""
    reading = current_reading()
    if reading.newest_by is not None:
        reading.versions[file] = as_text(_column(file, table, "market.newest_by", reading.newest_by))


def where_texts(value: WhereValue | list[WhereValue]) -> list[str]:
    """Return the values of a column of ``market.where`` as lower-case text, as cells are compared."""
    values = value if isinstance(value, list) else [value]
    whole = (int(item) if isinstance(item, float) and item.is_integer() else item for item in values)
    return [str(item).strip().lower() for item in whole]


def no_such_value(path: str, reading: Reading) -> DataError | None:
    """Return the error if a column of ``market.where`` has none of its values in any file; else None."""
    for name, values in reading.where.items():
        seen = list(reading.seen.get(name, {}))
        if seen and not {value.lower() for value in seen} & set(values):
            lower = {value.lower(): value for value in seen}
            close = [lower[match] for match in difflib.get_close_matches(values[0], lower, n=3)]
            meant = f"; did you mean {' or '.join(close)}?" if close else ". Choose one of them"
            problem = f"no row of {path} has it, only {join_names(seen)}"
            return DataError(f"market.where.{name}={', '.join(values)}: {problem}{meant}")
    return None


def _column(file: Path, table: pd.DataFrame, option: str, name: str) -> pd.Series:
    column = find_column(list(map(str, table.columns)), name)
    if column is None:
        raise no_column_error(file, table, [name], f"Correct {option}")
    return table[column]
