"""Data rows: comments, repeated headers and trailers between the rows of a text file are left out, and counted.

The rules are strict, so that no row of data is taken for anything else: a row that fits none of them stays, and is
refused later if it cannot be parsed.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from battery_lab.common.errors import DataError
from battery_lab.market.file_formats.csv_dialect import COMMENT, Dialect
from battery_lab.market.file_formats.reading_context import current_reading

# Kinds of rows, as the note names them.
BLANK, COMMENTS, HEADERS, TRAILERS = "blank lines", "comments and titles", "repeated headers", "trailers"
END_OF_REPORT = "END OF REPORT"
LAST_WORDS = re.compile(
    r"\s*(end of|end$|eof\b|total|rows?\b|row count|records?\b|count\b|source|notes?\b|generated|created|report|"
    r"downloaded|exported|printed|updated|last updated|copyright|©|\(c\)|disclaimer|\*)",
    re.IGNORECASE,
)
# Files that `cat` joined may have a byte order mark before each header.
STRIPPED = " \t\xa0\ufeff"
Mask = NDArray[np.bool_]
COUNT = re.compile(r"\s*([\d,]+)\s*(lines?|rows?)?\s*", re.IGNORECASE)


class DataRows:
    """Leaves out the rows of a text file that are no data, and counts them in the notes.

    Left out are: rows without content; rows that begin with two backslashes; rows that begin with ``#``, unless that
    may be a name (see ``_is_comment``); rows equal to the header, or to a line before it; AEMO's ``C,END OF REPORT``
    rows; in files whose first cell says the kind of row (C/I/D and C/H/D/T), all but D; and the last rows if they begin
    with a word such as *End of* or *Total* and have at most two cells with content, of three or more.

    Args:
        file: the file, for the notes.
        dialect: how the file is written.
    """

    def __init__(self, file: Path, dialect: Dialect) -> None:
        self._file, self._dialect = file, dialect
        # The line of the last trailer, and the data rows below it, in the parts before.
        self._trailer_row, self._data = 0, 0

    def only_data(self, table: pd.DataFrame, is_end: bool = True) -> pd.DataFrame:
        """Return the rows of the next part of the file that are data.

        Args:
            table: rows as text; the index is their number in the file. It may lack columns of the file.
            is_end: whether the file ends with them.

        Raises:
            DataError: a file of C/I/D rows holds two tables.
        """
        if not len(table):
            return table
        reading, left = current_reading(), _none(table)
        for kind, rows in self._other_rows(table):
            reading.leave_out(self._file, kind, int((rows & ~left).sum()))
            left |= rows
        if is_end:
            last = _last_words(table, left)
            reading.leave_out(self._file, TRAILERS, int(last.sum()))
            left |= last
        return table[~left] if left.any() else table

    def _other_rows(self, table: pd.DataFrame) -> list[tuple[str, Mask]]:
        first = table.iloc[:, 0].str.strip()
        comment = _comments(table, first)
        for row in self._dialect.preamble:
            if any(cell.strip() for cell in row):
                comment |= self._equal(table, row)
        header = self._equal(table, self._dialect.names)
        found = [(BLANK, self._equal(table, [])), (COMMENTS, comment), (HEADERS, header)]
        if self._dialect.has_row_kinds:
            return [*found, *self._other_kinds(table, first, header)]
        end = (first == "C").to_numpy(bool, copy=True)
        for i in np.flatnonzero(end):
            end[i] = END_OF_REPORT in _cells(table, int(i))
            if end[i]:
                number = int(table.index[i])
                self._check_count(table, int(i), number - self._trailer_row)
                self._trailer_row = number
        return [*found, (TRAILERS, end)]

    def _other_kinds(self, table: pd.DataFrame, first: pd.Series, header: Mask) -> list[tuple[str, Mask]]:
        """Return the rows of C/I/D and C/H/D/T files that are no data."""
        begin = first.to_numpy(object)
        second_table = np.flatnonzero((begin == "I") & ~header)
        if len(second_table):
            row = int(table.index[second_table[0]])
            raise DataError(f"{self._file}, row {row}: a second table begins. Keep the rows of one table in the file")
        trailer = np.asarray(begin == "T", np.bool_)
        data = self._data + np.cumsum(begin == "D")
        before = 0
        for i in np.flatnonzero(trailer):
            self._check_count(table, int(i), int(data[i]) - before)
            before = int(data[i])
        self._data = int(data[-1]) - before
        return [(HEADERS, begin == "H"), (TRAILERS, trailer | (begin == "C"))]

    def _check_count(self, table: pd.DataFrame, i: int, count: int) -> None:
        """Note where a trailer states another number of rows than there are."""
        stated = [int(found[1].replace(",", "")) for cell in table.iloc[i] if (found := COUNT.fullmatch(str(cell)))]
        if stated and stated[0] != count:
            current_reading().note(self._file, count_in_words(stated[0], count))

    def _equal(self, table: pd.DataFrame, cells: Sequence[str]) -> Mask:
        """Return which rows have the cells of a line, in any case; columns beyond the line are empty."""
        names = self._dialect.names
        is_whole = table.shape[1] == len(names)
        equal = np.ones(len(table), np.bool_)
        for i, column in enumerate(table.columns):
            if not is_whole and column not in names:
                continue  # the second column of a name
            place = i if is_whole else names.index(column)
            cell = cells[place].strip().lower() if place < len(cells) else ""
            equal[equal] = (table.iloc[:, i][equal].str.strip(STRIPPED).str.lower() == cell).to_numpy(bool, copy=True)
            if not equal.any():
                break
        return equal


def count_in_words(stated: int, count: int) -> str:
    """Return a sentence on a last row that states another number of rows than the file has."""
    change = "removed from" if count < stated else "added to"
    return f"its last row counts {stated:,} rows, and it has {count:,}: rows were {change} it"


def leave_out_preamble(file: Path, dialect: Dialect) -> None:
    """Count the lines before the header in the notes."""
    blank = sum(not any(cell.strip() for cell in row) for row in dialect.preamble)
    current_reading().leave_out(file, BLANK, blank)
    current_reading().leave_out(file, COMMENTS, len(dialect.preamble) - blank)


def _comments(table: pd.DataFrame, first: pd.Series) -> Mask:
    """Return which rows are comments."""
    comment: Mask = first.str[:1].isin(["#", "\\"]).to_numpy(bool, copy=True)
    marked = list(map(int, np.flatnonzero(comment)))
    for i in marked:
        comment[i] = COMMENT.match(first.iloc[i]) is not None
    hashed = [i for i in marked if comment[i] and first.iloc[i].startswith("#")]
    others = table[~comment]
    blank_elsewhere = [bool((others.iloc[:, i] == "").any()) for i in range(table.shape[1])]
    counts = first.iloc[hashed].value_counts()
    for i in hashed:
        comment[i] = _is_comment(_cells(table, i), blank_elsewhere, int(counts[first.iloc[i]]))
    return comment


def _is_comment(cells: Sequence[str], blank_elsewhere: Sequence[bool], times: int) -> bool:
    """Return whether a row that begins with ``#`` is a comment, and not one of a node whose name begins so.

    A comment has nothing beyond its first cell, or it stands alone, and lacks cells that other rows have.

    Args:
        cells: the cells of the row.
        blank_elsewhere: for each column, whether rows that do not begin with ``#`` leave it empty.
        times: the number of rows that begin with the same cell.
    """
    if not any(cells[1:]):
        return True
    lacking = [i for i, cell in enumerate(cells) if not cell]
    return times == 1 and not all(blank_elsewhere[i] for i in lacking)


def _last_words(table: pd.DataFrame, left: Mask) -> Mask:
    last = _none(table)
    for i in range(len(table) - 1, -1, -1):
        if left[i]:
            continue
        cells = [cell for cell in _cells(table, int(i)) if cell]
        few = len(cells) <= 2 < table.shape[1] or len(cells) == 1 < table.shape[1]
        if not (few and LAST_WORDS.match(_cells(table, i)[0])):
            break
        last[i] = True
    return last


def _none(table: pd.DataFrame) -> Mask:
    return np.zeros(len(table), np.bool_)


def _cells(table: pd.DataFrame, i: int) -> list[str]:
    return [str(cell).strip().upper() for cell in table.iloc[i]]
