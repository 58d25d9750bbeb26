"""File samples: the first rows of a file as cells, by which it is recognised before anything is parsed."""

from __future__ import annotations

import csv
import gzip
import zlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from battery_lab.common.errors import DataError
from battery_lab.market.price_files import PARQUET_SUFFIXES, plain

SAMPLE_BYTES, SAMPLE_LINES = 1 << 18, 400
SEPARATORS = (",", ";", "\t", "|")
SHOWN_ROWS, SHOWN_LETTERS = 3, 160
Columns = Mapping[str, Sequence[str]]


@dataclass(frozen=True, kw_only=True)
class FileSample:
    """The first rows of a file.

    Attributes:
        file: the file.
        rows: its first rows with content as cells, at most ``SAMPLE_LINES``; of a Parquet file, only its column names.
        separator: what is between cells; "" for a Parquet file.
        encoding: Python's name of the encoding; "" for a Parquet file.
    """

    file: Path
    rows: Sequence[Sequence[str]]
    separator: str = ""
    encoding: str = ""

    @cached_property
    def _names(self) -> list[set[str]]:
        """The cells of each row without case, blanks and punctuation."""
        return [{plain(cell) for cell in row} for row in self.rows]

    def missing(self, columns: Columns) -> list[str]:
        """Return the columns that no row names together: those that the row with the fewest missing ones lacks.

        Args:
            columns: the possible names of each column.
        """
        wanted = {names[0]: {plain(name) for name in names} for names in columns.values()}
        lacking = ([name for name, alike in wanted.items() if alike.isdisjoint(row)] for row in self._names)
        return min(lacking, key=len, default=list(wanted))

    @property
    def header(self) -> Sequence[str]:
        """The first row with as many cells as most rows have; the first row if rows are few."""
        if not self.rows:
            return ()
        width = Counter(len(row) for row in self.rows).most_common(1)[0][0]
        return next(row for row in self.rows if len(row) == width)

    def in_words(self) -> str:
        """Return the columns and the first rows, for an error message."""
        if not self.rows:
            return f"{self.file} has no rows"
        if not self.separator:
            return f"{self.file} has the columns {', '.join(self.header)}"
        rows = [self.separator.join(row)[:SHOWN_LETTERS] for row in self.rows[:SHOWN_ROWS]]
        return "\n  ".join([f"the first rows of {self.file}:", *rows])


def sampled(files: Sequence[Path], count: int) -> list[Path]:
    """Return files, if they are more than ``count`` the first, the last and others drawn evenly, in their order."""
    if len(files) <= count:
        return list(files)
    drawn = np.random.default_rng(0).choice(np.arange(1, len(files) - 1), count - 2, replace=False)
    return [files[i] for i in (0, *sorted(drawn), len(files) - 1)]


def take_sample(file: Path) -> FileSample:
    """Return the first rows of a file.

    Raises:
        DataError: the file cannot be read, or is not text.
    """
    try:
        if file.name.lower().endswith(PARQUET_SUFFIXES):
            return FileSample(file=file, rows=[[str(name) for name in pq.read_schema(file).names]])
        opened = gzip.open if file.name.lower().endswith(".gz") else open
        with opened(file, "rb") as stream:
            content = stream.read(SAMPLE_BYTES)
            whole = len(content) < SAMPLE_BYTES
    except (OSError, EOFError, zlib.error, pa.ArrowException) as error:
        raise DataError(f"{file} cannot be read: {error}. Download it again, or check its permissions") from error
    encoding = _encoding(file, content)
    lines = content.decode(encoding, errors="replace").splitlines()
    lines = [line for line in (lines if whole else lines[:-1]) if line.strip(' \t",;|')][:SAMPLE_LINES]
    separator = _separator(lines)
    rows = [next(csv.reader([line], delimiter=separator), [""]) for line in lines]
    return FileSample(file=file, rows=rows, separator=separator, encoding=encoding)


def _encoding(file: Path, content: bytes) -> str:
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        return "utf-16"
    if 0 in content:
        raise DataError(f"{file} is not text, so no market reads it. Unpack archives, and export spreadsheets to CSV")
    try:
        # The last letter of a part of a file may be incomplete.
        content[:-4].decode("utf-8")
    except UnicodeDecodeError:
        return "cp1252"
    return "utf-8-sig"


def _separator(lines: Sequence[str]) -> str:
    """Return the separator with which most lines have equally many cells, at least two; else a comma."""

    def most(separator: str) -> tuple[int, int]:
        widths = Counter(len(next(csv.reader([line], delimiter=separator), [""])) for line in lines)
        return max(((count, width) for width, count in widths.items() if width > 1), default=(0, 0))

    return max(SEPARATORS, key=most)
