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


def only_data(
    file: Path, table: pd.DataFrame, dialect: Dialect, is_start: bool = True, is_end: bool = True
) -> pd.DataFrame:
    """Return the rows of a table that are data; the others are counted in the notes.

    Left out are: rows without content; rows that begin with two backslashes, and those that begin with ``#`` unless all
    of their cells have content; rows equal to the header, or to a line before it; AEMO's ``C,END OF REPORT`` rows; in
    files whose first cell says the kind of row (C/I/D and C/H/D/T), all but D; and the last rows if they begin with a
    word such as *End of* or *Total* and have at most two cells with content, of three or more.

    Args:
        file: the file, for the notes.
        table: rows as text; the index is their number in the file.
        dialect: how the file is written.
        is_start: whether the rows are the first of the file.
        is_end: whether the file ends with them.

    Raises:
        DataError: a file of C/I/D rows holds two tables.
    """
    if not len(table):
        return table
    reading, left = current_reading(), np.zeros(len(table), np.bool_)
    for kind, rows in _other_rows(file, table, dialect, is_start):
        reading.leave_out(file, kind, int((rows & ~left).sum()))
        left |= rows
    if is_end:
        last = _last_words(table, left)
        reading.leave_out(file, TRAILERS, int(last.sum()))
        left |= last
    return table[~left] if left.any() else table


def leave_out_preamble(file: Path, dialect: Dialect) -> None:
    """Count the lines before the header in the notes."""
    blank = sum(not any(cell.strip() for cell in row) for row in dialect.preamble)
    current_reading().leave_out(file, BLANK, blank)
    current_reading().leave_out(file, COMMENTS, len(dialect.preamble) - blank)


def _other_rows(file: Path, table: pd.DataFrame, dialect: Dialect, is_start: bool) -> list[tuple[str, Mask]]:
    first = table.iloc[:, 0].str.strip()
    comment = first.str[:1].isin(["#", "\\"]).to_numpy(bool, copy=True)
    for i in np.flatnonzero(comment):
        # A name in a row may begin with #.
        is_row = first.iloc[i].startswith("#") and all(_cells(table, int(i)))
        comment[i] = COMMENT.match(first.iloc[i]) is not None and not is_row
    if comment.sum() > len(table) / 2:
        comment = _none(table)
    for row in dialect.preamble:
        if any(cell.strip() for cell in row):
            comment |= _equal(table, row)
    header = _equal(table, dialect.names)
    found = [(BLANK, _equal(table, [])), (COMMENTS, comment), (HEADERS, header)]
    if dialect.has_row_kinds:
        return [*found, *_other_kinds(file, table, first, header, is_start)]
    end = (first == "C").to_numpy(bool, copy=True)
    for i in np.flatnonzero(end):
        end[i] = END_OF_REPORT in _cells(table, int(i))
    _check_counts(file, table, end)
    return [*found, (TRAILERS, end)]


def _other_kinds(
    file: Path, table: pd.DataFrame, first: pd.Series, header: Mask, is_start: bool
) -> list[tuple[str, Mask]]:
    """Return the rows of C/I/D and C/H/D/T files that are no data."""
    begin = first.to_numpy(object)
    second_table = np.flatnonzero((begin == "I") & ~header)
    if len(second_table):
        row = int(table.index[second_table[0]])
        raise DataError(f"{file}, row {row}: a second table begins. Keep the rows of one table in the file")
    trailer = begin == "T"
    if is_start:
        _check_counts(file, table, trailer, data=int((begin == "D").sum()))
    return [(HEADERS, begin == "H"), (TRAILERS, trailer | (begin == "C"))]


def _check_counts(file: Path, table: pd.DataFrame, trailer: Mask, data: int | None = None) -> None:
    """Note where a trailer states another number of lines than there are: of the file, or of ``data`` rows."""
    for i in np.flatnonzero(trailer):
        row = int(table.index[i])
        stated = [int(found[1].replace(",", "")) for cell in table.iloc[i] if (found := COUNT.fullmatch(str(cell)))]
        count = row if data is None else data
        if stated and stated[0] != count:
            what = "it is line" if data is None else "the data rows are"
            sentence = f"the trailer counts {stated[0]:,} lines, but {what} {count:,}: rows may be missing"
            current_reading().note(file, sentence)


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


def _equal(table: pd.DataFrame, cells: Sequence[str]) -> Mask:
    """Return which rows have the cells of a line, in any case; columns beyond the line are empty."""
    equal = np.ones(len(table), np.bool_)
    for i in range(table.shape[1]):
        cell = cells[i].strip().lower() if i < len(cells) else ""
        equal[equal] = (table.iloc[:, i][equal].str.strip(STRIPPED).str.lower() == cell).to_numpy(bool, copy=True)
        if not equal.any():
            break
    return equal


def _none(table: pd.DataFrame) -> Mask:
    return np.zeros(len(table), np.bool_)


def _cells(table: pd.DataFrame, i: int) -> list[str]:
    return [str(cell).strip().upper() for cell in table.iloc[i]]
