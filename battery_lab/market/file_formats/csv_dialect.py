"""CSV dialects: the encoding, the separator and the header of a text file, found from its first lines."""

from __future__ import annotations

import codecs
import csv
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from battery_lab.common.errors import DataError

SEPARATORS = (",", ";", "\t", "|")
WORDS = {";": "';'", "\t": "tabs", "|": "'|'"}
SAMPLE_BYTES = 1 << 17
SAMPLE_LINES = 200
# Lines before the header that have as many cells as the table, such as `Created at,2024-01-01 08:00`.
MOST_KEY_LINES = 10
COMMENT = re.compile(r'\s*"?(\\\\|#(?!N/?A\b|NV\b|REF!|VALUE!|DIV/0!|NAME\?|NUM!|NULL!))', re.IGNORECASE)
STARTS_A_VALUE = re.compile(r"\s*[-+]?[\d.,]*\d")
# Letters in numbers and stamps; a cell with more of them, such as `1h price`, is a name.
LETTERS_OF_VALUES = re.compile(
    r"jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec|am\b|pm\b|cest|eest|west|(?<=\d)T(?=\d)", re.IGNORECASE
)
FEWEST_LETTERS = 4
# The first cell of comment, header and data rows, in the files of several operators.
ROW_KINDS = ({"C", "I", "D"}, {"C", "H", "D", "T"})
WINDOWS = "cp1252"


@dataclass(frozen=True, kw_only=True)
class Dialect:
    """How a text file is written.

    Attributes:
        encoding: Python's name of it.
        separator: what is between cells.
        preamble: the lines before the header, as cells.
        names: the cells of the header.
        has_row_kinds: whether the first cell of each row says whether it is comment, header or data.
    """

    encoding: str
    separator: str
    preamble: list[list[str]]
    names: list[str]
    has_row_kinds: bool

    def in_words(self) -> str:
        """Return what is not usual about the file, or ""."""
        parts = []
        if not self.encoding.startswith("utf-8"):
            parts.append(f"read as {self.encoding.upper() if self.encoding.startswith('utf') else 'Windows text'}")
        if self.separator in WORDS:
            parts.append(f"cells separated by {WORDS[self.separator]}")
        return ", ".join(parts)


def find_dialect(file: Path, sample: bytes, whole: bool, encoding: str | None = None) -> Dialect:
    """Return how a text file is written.

    Args:
        file: the file, for errors.
        sample: its first bytes.
        whole: whether these are all.
        encoding: the encoding, if it is known.

    Raises:
        DataError: the file is not text.
        EmptyDataError: it has no line with content.
    """
    encoding = encoding or _encoding(file, sample, whole)
    text = codecs.getincrementaldecoder(encoding)("replace").decode(sample, final=whole)
    lines = re.split(r"\r\n|\n|\r", text)
    lines = (lines if whole else lines[:-1] or lines)[:SAMPLE_LINES]
    separator = _separator([line for line in lines if line.strip(' \t",;|') and not COMMENT.match(line)])
    rows = split_cells(lines, separator)
    header = header_line(rows)
    if header is None:
        raise pd.errors.EmptyDataError("no header")
    kinds = {row[0].strip() for row in rows[header:] if is_content(row)}
    return Dialect(
        encoding=encoding,
        separator=separator,
        preamble=rows[:header],
        names=rows[header],
        has_row_kinds=rows[header][0].strip() in ("I", "H") and any(kinds <= known for known in ROW_KINDS),
    )


def split_cells(lines: Sequence[str], separator: str) -> list[list[str]]:
    """Return the cells of lines; a blank line has one empty cell."""
    return [
        next(csv.reader([line], delimiter=separator), [""]) if '"' in line else line.split(separator) for line in lines
    ]


def is_content(row: Sequence[str]) -> bool:
    """Return whether a row has content that is no comment."""
    return any(cell.strip() for cell in row) and not COMMENT.match(row[0])


def header_line(rows: Sequence[Sequence[str]]) -> int | None:
    """Return the place of the header in the first rows of a table; None if no row has content.

    The header is the first row that has as many cells as most rows, content beyond its first cell, and names only:
    no cell is a number or a stamp. If there is none, it is the first row with as many cells as most, or the
    first one with content. Rows before it are titles, comments, or pairs of a name and a value.
    """
    content = [i for i, row in enumerate(rows) if is_content(row)]
    if not content:
        return None
    kinds = Counter(rows[i][0].strip() for i in content)
    if kinds["D"] and set(kinds) <= ROW_KINDS[0] | ROW_KINDS[1] and (kinds["I"] or kinds["H"]):
        return next(i for i in content if rows[i][0].strip() in ("I", "H"))
    widths = Counter(len(rows[i]) for i in content)
    width = max(widths, key=lambda size: (widths[size], size))
    table = [i for i in content if len(rows[i]) == width and not _is_title(rows[i])]
    for i in table[: MOST_KEY_LINES + 1]:
        if not any(map(_is_value, rows[i])):
            return i
        if _is_value(rows[i][0]):
            break
    # A header of other width than the rows is an error of its own.
    first = content[0]
    return table[0] if table and _is_title(rows[first]) and width > 1 else first


def _is_value(cell: str) -> bool:
    """Return whether a cell is a number or a stamp, perhaps with a unit."""
    if not STARTS_A_VALUE.match(cell):
        return False
    return sum(letter.isalpha() for letter in LETTERS_OF_VALUES.sub("", cell)) < FEWEST_LETTERS


def _is_title(row: Sequence[str]) -> bool:
    """Return whether only the first cell of a row has content; the first column of a table may have no name."""
    return not any(cell.strip() for cell in row[1:])


def _encoding(file: Path, sample: bytes, whole: bool) -> str:
    for mark, name in (
        (codecs.BOM_UTF8, "utf-8-sig"),
        (codecs.BOM_UTF16_LE, "utf-16"),
        (codecs.BOM_UTF16_BE, "utf-16"),
    ):
        if sample.startswith(mark):
            return name
    if sample.count(0):
        even, odd = sample[::2].count(0), sample[1::2].count(0)
        if min(even, odd) == 0 and max(even, odd) > len(sample) // 3:
            return "utf-16-le" if odd else "utf-16-be"
        raise DataError(f"{file} cannot be read: it is not text. Download it again, or export it to CSV")
    try:
        codecs.getincrementaldecoder("utf-8")().decode(sample, final=whole)
    except UnicodeDecodeError:
        return WINDOWS
    return "utf-8-sig"


def _separator(lines: Sequence[str]) -> str:
    """Return the separator with which most lines have equally many cells, at least two; else a comma."""
    best, most = ",", (0, 0)
    for separator in SEPARATORS:
        if not any(separator in line for line in lines):
            continue
        widths = Counter(len(row) for row in split_cells(lines, separator))
        width, count = max(widths.items(), key=lambda item: (item[0] > 1, item[1], item[0]), default=(1, 0))
        if width > 1 and (count, width) > most:
            best, most = separator, (count, width)
    return best
