"""Report text: the lines of a text file, and the table that stands below the title lines of a report."""

from __future__ import annotations

import csv
import gzip
import io
import warnings
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path

import pandas as pd

from battery_lab.common.errors import DataError
from battery_lab.market.price_files import HEADER, plain
from battery_lab.market.rows_with_source import row_error

PREAMBLE, SEPARATOR = "preamble", "separator"
DECIMAL_COMMA = r"^(-?\d+),(\d+)$"
SEPARATORS = (",", ";", "\t")
# A header stands within so many lines: the longest preamble of an operator has six.
SEARCHED = 50
UTF16_MARKS = (b"\xff\xfe", b"\xfe\xff")


def text_lines(file: Path) -> list[str]:
    """Return the lines of a text file, which may be gzipped; line 0 is row 1 of an editor.

    Raises:
        DataError: the file cannot be read.
    """
    try:
        content = gzip.decompress(file.read_bytes()) if file.name.lower().endswith(".gz") else file.read_bytes()
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
        of the columns, ``attrs["preamble"]`` the lines above them, and ``attrs["separator"]`` what separates the cells.

    Raises:
        DataError: no line is such a header, or the rows do not fit it.
    """
    lines = text_lines(file)
    for i, line in enumerate(lines[:SEARCHED]):
        for separator in SEPARATORS:
            header = split_line(line, separator)
            if is_header([plain(name) for name in header]):
                table = read_lines(file, lines[i + 1 :], separator, header)
                table.index += i + 2
                table.attrs |= {HEADER: header, PREAMBLE: lines[:i], SEPARATOR: separator}
                return table[table.iloc[:, 0].str.strip() != ""]
    raise DataError(f"{file}: no row is the header of its table. market.path must name {kind}")


def decimal_points(file: Path, rows: pd.Series, cells: pd.Series, separator: str) -> pd.Series:
    """Return cells with decimal points for decimal commas, which a file has that does not separate cells by commas.

    Args:
        file: the file.
        rows: (N,) the row of each cell in its file.
        cells: (N,) text.
        separator: what separates the cells of the file.

    Raises:
        DataError: all commas may separate thousands.
    """
    digits = cells.str.extract(DECIMAL_COMMA)[1].str.len().dropna()
    if separator == "," or not len(digits):
        return cells
    if (digits == 3).all():
        problem = f"{cells[digits.index[0]]!r} may have a decimal comma or a separator of thousands"
        raise row_error(file, int(rows[digits.index[0]]), problem, "Write the prices of the file with a decimal point")
    return cells.str.replace(DECIMAL_COMMA, r"\1.\2", regex=True)


def split_line(line: str, separator: str = ",") -> list[str]:
    """Return the cells of a line of CSV."""
    return next(csv.reader([line], delimiter=separator), [])


def read_lines(file: Path, lines: Sequence[str], separator: str, header: Sequence[str]) -> pd.DataFrame:
    """Return lines of CSV as a table of text; rows may be shorter than the header, but not longer.

    Raises:
        DataError: the lines are not a table.
    """
    names = [name if header.index(name) == i else f"{name}.{i}" for i, name in enumerate(header)]
    if not lines:
        return pd.DataFrame({name: pd.Series([], dtype=str) for name in names})
    try:
        with warnings.catch_warnings():
            # pandas cuts off rows that are longer than the header with a warning only.
            warnings.simplefilter("error", pd.errors.ParserWarning)
            return pd.read_csv(
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
