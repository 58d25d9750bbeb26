"""Report text: the lines of a text file, and the table that stands below the title lines of a report."""

from __future__ import annotations

import csv
import io
import warnings
import zlib
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from battery_lab.common.errors import DataError
from battery_lab.market.file_formats.archives import read_whole
from battery_lab.market.file_formats.price_files import HEADER, plain
from battery_lab.market.file_formats.reading_context import current_reading
from battery_lab.market.file_formats.row_selection import keep_versions, keep_where
from battery_lab.market.file_formats.rows_with_source import row_error

PREAMBLE = "preamble"
SEPARATORS = (",", ";", "\t")
BLANK_LINE = ' ,;\t"\xa0'
# A header stands within so many lines: the longest preamble of an operator has six.
SEARCHED = 50
UTF16_MARKS = (b"\xff\xfe", b"\xfe\xff")


def text_lines(file: Path) -> list[str]:
    """Return the lines of a text file, which may be gzipped or in an archive; line 0 is row 1 of an editor.

    Raises:
        DataError: the file cannot be read.
    """
    try:
        content = read_whole(file)
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{file} cannot be read: {error}. Download it again, or check its permissions") from error
    lines = _decoded(content).replace("\r\n", "\n").replace("\r", "\n").split("\n")
    return lines[:-1] if lines[-1] == "" else lines


def _decoded(content: bytes) -> str:
    if content.startswith(UTF16_MARKS):
        return content.decode("utf-16", errors="replace")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return content.decode("cp1252", errors="replace")


def read_below(file: Path, is_header: Callable[[Sequence[str]], bool], kind: str) -> pd.DataFrame:
    """Read the table below the title lines of a report.

    Args:
        file: the file.
        is_header: whether names, in lower case without blanks and punctuation, are those of the header.
        kind: the kind of file, for the error message.

    Returns:
        The rows of the table, as text. The index is the row that an editor shows. ``attrs["header"]`` holds the names
        of the columns, and ``attrs["preamble"]`` the lines above them.

    Raises:
        DataError: no line is such a header, or the rows do not fit it.
    """
    lines = text_lines(file)
    for i, line in enumerate(lines[:SEARCHED]):
        for separator in SEPARATORS:
            header = split_line(line, separator)
            if is_header([plain(name) for name in header]):
                current_reading().separators[file] = separator
                rows = [row for row, line in enumerate(lines[i + 1 :], i + 2) if line.strip(BLANK_LINE)]
                table = read_lines(file, [lines[row - 1] for row in rows], rows, separator, header)
                table.attrs |= {HEADER: header, PREAMBLE: lines[:i]}
                _check_first_cells(file, table)
                return selected_rows(file, table)
    raise DataError(f"{file}: no row is the header of its table. market.path must name {kind}")


def _check_first_cells(file: Path, table: pd.DataFrame) -> None:
    """Raise DataError for a row without its first cell, which says what it is about."""
    empty = (table.iloc[:, 0].str.strip() == "").to_numpy(bool)
    if empty.any():
        row = int(table.index[int(np.argmax(empty))])
        problem = f"the row has no {table.columns[0].strip()}, which all others have"
        raise row_error(file, row, problem, "Correct the row, or download the file again")


def selected_rows(file: Path, table: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of a table that ``market.where`` selects, and keep their column ``market.newest_by``."""
    table = keep_where(file, table)
    keep_versions(file, table)
    return table


def split_line(line: str, separator: str = ",") -> list[str]:
    """Return the cells of a line of CSV."""
    return next(csv.reader([line], delimiter=separator), [])


def read_lines(
    file: Path, lines: Sequence[str], rows: Sequence[int], separator: str, header: Sequence[str]
) -> pd.DataFrame:
    """Return lines of CSV as a table of text.

    Args:
        file: the file.
        lines: N lines.
        rows: (N,) their rows in the file, which become the index.
        separator: what separates cells.
        header: the names of the columns.

    Raises:
        DataError: a row has fewer cells than the others, so that it may end within a price, or more than the header.
    """
    _check_lengths(file, lines, rows, separator)
    names = [name if header.index(name) == i else f"{name}.{i}" for i, name in enumerate(header)]
    if not lines:
        return pd.DataFrame({name: pd.Series([], dtype=str) for name in names})
    try:
        with warnings.catch_warnings():
            # pandas cuts off rows that are longer than the header with a warning only.
            warnings.simplefilter("error", pd.errors.ParserWarning)
            table = pd.read_csv(
                io.StringIO("\n".join(lines)),
                sep=separator,
                header=None,
                names=names,
                dtype=str,
                keep_default_na=False,
                skip_blank_lines=False,
                index_col=False,
            ).fillna("")
    except (pd.errors.ParserError, pd.errors.ParserWarning) as error:
        raise DataError(f"{file} is not a complete table: {error}. Download it again, or correct that row") from error
    if len(table) != len(lines):
        raise DataError(f"{file} is not a complete table: a quoted cell does not end in its row. Download it again")
    return table.set_axis(list(rows), axis=0)


def _check_lengths(file: Path, lines: Sequence[str], rows: Sequence[int], separator: str) -> None:
    # ENTSO-E's old exports have one cell more in their header than in all of their rows.
    counts = [line.count(separator) if line.strip() else None for line in lines]
    usual = Counter(count for count in counts if count is not None).most_common(1)
    short = next((i for i, count in enumerate(counts) if count is not None and count < usual[0][0]), None)
    if short is not None:
        problem = f"the row has {counts[short]} separators, and the others have {usual[0][0]}: it is not complete"
        raise row_error(file, rows[short], problem, "Download the file again, or remove the row")


def check_last_row(file: Path, table: pd.DataFrame) -> None:
    """Raise DataError if only the last row lacks its last cell, as where a download was cut off within a price.

    Args:
        file: the file.
        table: what :func:`battery_lab.market.file_formats.price_files.read_file` returned.
    """
    last = table.iloc[:, -1]
    if len(last) and last.iloc[-1] == "" and (last.iloc[:-1] != "").all():
        problem = f"the last row has no {table.columns[-1]}, so the file may end within a price"
        raise row_error(file, int(table.index[-1]), problem, "Download the file again, or remove the row")
