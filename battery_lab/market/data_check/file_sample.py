"""File samples: the first rows of a file as cells, by which it is recognised before anything is parsed."""

from __future__ import annotations

import codecs
import io
import zlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.feather as feather
import pyarrow.parquet as pq

from battery_lab.common.errors import DataError
from battery_lab.market.file_formats.archives import open_file
from battery_lab.market.file_formats.csv_dialect import find_dialect, split_cells
from battery_lab.market.file_formats.price_files import PARQUET_SUFFIXES
from battery_lab.market.file_formats.spreadsheets import SHEET_SUFFIXES, sheets
from battery_lab.market.file_formats.table_columns import plain

SAMPLE_BYTES, SAMPLE_LINES = 1 << 18, 400
FEATHER = ".feather"
SHOWN_ROWS, SHOWN_LETTERS = 3, 160
Columns = Mapping[str, Sequence[str]]


@dataclass(frozen=True, kw_only=True)
class FileSample:
    """The first rows of a file.

    Attributes:
        file: the file.
        rows: its first rows with content as cells, at most ``SAMPLE_LINES``; of a Parquet or Feather file, the names of
            its columns only.
        separator: what is between cells; "" for a file that is no text.
        encoding: Python's name of the encoding; "" for a file that is no text.
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
    """Return the first rows of a file, which may be in an archive, or the sheet of a workbook.

    Raises:
        DataError: the file cannot be read, or is not text.
    """
    try:
        if file.parent.name.lower().endswith(SHEET_SUFFIXES) and not file.is_file():
            return FileSample(file=file, rows=sheets(file.parent)[file.name][:SAMPLE_LINES])
        with open_file(file) as stream:
            if file.name.lower().endswith(PARQUET_SUFFIXES):
                return FileSample(file=file, rows=[pq.read_schema(io.BytesIO(stream.read())).names])
            if file.name.lower().endswith(FEATHER):
                return FileSample(file=file, rows=[feather.read_table(io.BytesIO(stream.read())).column_names])
            sample = stream.read(SAMPLE_BYTES)
            whole = not stream.read(1)
        dialect = find_dialect(file, sample, whole)
    except pd.errors.EmptyDataError:
        return FileSample(file=file, rows=[])
    except (OSError, EOFError, zlib.error, pa.ArrowException) as error:
        raise DataError(f"{file} cannot be read: {error}. Download it again, or check its permissions") from error
    text = codecs.getincrementaldecoder(dialect.encoding)("replace").decode(sample, final=whole)
    lines = [line for line in text.splitlines() if line.strip(' \t",;|')][:SAMPLE_LINES]
    rows = split_cells(lines, dialect.separator)
    return FileSample(file=file, rows=rows, separator=dialect.separator, encoding=dialect.encoding)
