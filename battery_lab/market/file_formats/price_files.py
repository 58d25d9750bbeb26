"""Price files: read CSV, Parquet and spreadsheet tables, with the row numbers that an editor shows."""

from __future__ import annotations

import io
import zlib
from collections.abc import Sequence
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from battery_lab.common.errors import DataError
from battery_lab.market.file_formats.archives import disk_file, open_file
from battery_lab.market.file_formats.csv_dialect import Dialect, header_line
from battery_lab.market.file_formats.csv_files import read_csv
from battery_lab.market.file_formats.data_rows import leave_out_preamble, only_data
from battery_lab.market.file_formats.file_search import CSV_SUFFIXES, PARQUET_SUFFIXES, TABLE_SUFFIXES, find_files
from battery_lab.market.file_formats.reading_context import current_reading
from battery_lab.market.file_formats.row_selection import keep_versions, keep_where
from battery_lab.market.file_formats.spreadsheets import SHEET_SUFFIXES, sheets
from battery_lab.market.file_formats.table_columns import (
    HEADER,
    HEADER_ROW,
    check_unique,
    has_column,
    named_columns,
    plain,
)

# Readers import these from here, whichever module has them.
__all__ = [
    "CSV_SUFFIXES",
    "HEADER",
    "PARQUET_SUFFIXES",
    "TABLE_SUFFIXES",
    "check_unique",
    "find_files",
    "has_column",
    "named_columns",
    "plain",
    "read_file",
]
# Of a smaller file, all columns are read.
LARGE_FILE = 64 << 20


def read_file(file: Path, columns: Sequence[str] | None = None) -> pd.DataFrame:
    """Read a table: a CSV file, gzipped or not, a Parquet file or a sheet of a workbook, also in an archive.

    Rows that are no data are left out (:func:`battery_lab.market.file_formats.data_rows.only_data`), and those that
    ``market.where`` does not select.

    Args:
        file: the file; for a sheet, the path of the workbook with the name of the sheet.
        columns: the columns that are used, if these are known: of a large file, others may be left out.

    Returns:
        The rows of the file. Cells of CSV files and sheets are text; Parquet cells keep their type. The index is the
        row that an editor shows (Parquet has no header). ``attrs["header"]`` holds the names of all columns as the
        file has them.

    Raises:
        DataError: the file cannot be read as the format of its name.
    """
    prepared = current_reading().tables.get(file)
    try:
        table = _read(file, columns) if prepared is None else keep_where(file, prepared)
    except (pa.ArrowException, pd.errors.ParserError, pd.errors.ParserWarning) as error:
        raise DataError(f"{file} is not a complete table: {error}. Download it again, or correct that row") from error
    except pd.errors.EmptyDataError as error:
        raise DataError(f"{file} is empty. Download it again, or exclude it from market.path") from error
    except (OSError, EOFError, zlib.error, UnicodeError) as error:
        raise DataError(f"{file} cannot be read: {error}. Download it again, or check its permissions") from error
    keep_versions(file, table)
    return table


def _read(file: Path, columns: Sequence[str] | None) -> pd.DataFrame:
    reading = current_reading()
    if file.parent.name.lower().endswith(SHEET_SUFFIXES) and not file.is_file():
        return keep_where(file, _read_sheet(file))
    if file.name.lower().endswith(PARQUET_SUFFIXES):
        return keep_where(file, _read_parquet(file))
    is_large = disk_file(file).stat().st_size > LARGE_FILE
    used = None if columns is None else [*columns, *reading.where, *filter(None, [reading.newest_by])]
    table, dialect = read_csv(file, used if is_large else None, lambda part: keep_where(file, part))
    reading.separators[file] = dialect.separator
    if words := dialect.in_words():
        reading.note(file, words)
    return table


def _read_parquet(file: Path) -> pd.DataFrame:
    if file.is_file():
        table = pq.ParquetFile(file).read().to_pandas(ignore_metadata=True)
    else:
        with open_file(file) as stream:
            table = pq.ParquetFile(io.BytesIO(stream.read())).read().to_pandas(ignore_metadata=True)
    table.attrs[HEADER] = [str(name) for name in table.columns]
    return table.set_index(table.index + 1)


def _read_sheet(file: Path) -> pd.DataFrame:
    rows = sheets(file.parent)[file.name]
    header = header_line(rows)
    if header is None:
        raise pd.errors.EmptyDataError("no header")
    dialect = Dialect(encoding="utf-8", separator=",", preamble=rows[:header], names=rows[header], has_row_kinds=False)
    # As pandas names the columns of a CSV file: the second `price` is `price.1`.
    before = [rows[header][:i].count(name) for i, name in enumerate(rows[header])]
    names = [f"{name}.{count}" if count else name for name, count in zip(rows[header], before, strict=True)]
    table = pd.DataFrame(rows[header + 1 :], columns=names, dtype=str)
    table.index += header + 2
    leave_out_preamble(file, dialect)
    table = only_data(file, table, dialect)
    table.attrs |= {HEADER: rows[header], HEADER_ROW: header + 1}
    return table
