"""Price files: read CSV, Parquet and spreadsheet tables, with the row numbers that an editor shows."""

from __future__ import annotations

import io
import zlib
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from battery_lab.common.errors import DataError
from battery_lab.market.file_formats.archives import disk_file, open_file
from battery_lab.market.file_formats.csv_dialect import Dialect, header_line
from battery_lab.market.file_formats.csv_files import ROWS_PER_PART, FindUsed, Keep, read_csv
from battery_lab.market.file_formats.data_rows import DataRows, leave_out_preamble
from battery_lab.market.file_formats.file_search import CSV_SUFFIXES, PARQUET_SUFFIXES, TABLE_SUFFIXES, find_files
from battery_lab.market.file_formats.reading_context import current_reading
from battery_lab.market.file_formats.row_selection import keep_chosen, keep_versions, keep_where
from battery_lab.market.file_formats.spreadsheets import SHEET_SUFFIXES, sheets
from battery_lab.market.file_formats.table_columns import (
    HEADER,
    HEADER_ROW,
    check_unique,
    find_column,
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


def read_file(
    file: Path, columns: Sequence[str] | None = None, names: Mapping[str, Sequence[str]] | None = None
) -> pd.DataFrame:
    """Read a table: a CSV file, gzipped or not, a Parquet file or a sheet of a workbook, also in an archive.

    Rows that are no data are left out (:func:`battery_lab.market.file_formats.data_rows.only_data`), and those that
    ``market.where`` and, in the columns of ``names``, the market's selectors do not select.

    Args:
        file: the file; for a sheet, the path of the workbook with the name of the sheet.
        columns: the columns that are used, if these are known: of a large file, others may be left out. If the file
            lacks one of them, all are read.
        names: the columns that a reader uses, by the lab's names, each with its possible names in files: of a large
            file, others may be left out.

    Returns:
        The rows of the file. Cells of CSV files and sheets are text; Parquet cells keep their type. The index is the
        row that an editor shows (Parquet has no header). ``attrs["header"]`` holds the names of all columns as the
        file has them.

    Raises:
        DataError: the file cannot be read as the format of its name.
    """
    prepared = current_reading().tables.get(file)
    try:
        table = _read(file, columns, names) if prepared is None else _kept(file, prepared, names)
    except (pa.ArrowException, pd.errors.ParserError, pd.errors.ParserWarning) as error:
        raise DataError(f"{file} is not a complete table: {error}. Download it again, or correct that row") from error
    except pd.errors.EmptyDataError as error:
        raise DataError(f"{file} is empty. Download it again, or exclude it from market.path") from error
    except (OSError, EOFError, zlib.error, UnicodeError) as error:
        raise DataError(f"{file} cannot be read: {error}. Download it again, or check its permissions") from error
    keep_versions(file, table)
    return table


def _kept(file: Path, table: pd.DataFrame, names: Mapping[str, Sequence[str]] | None) -> pd.DataFrame:
    return keep_chosen(keep_where(file, table), names or {})


def _used(
    header: Sequence[str], columns: Sequence[str] | None, names: Mapping[str, Sequence[str]] | None
) -> set[str] | None:
    """Return the columns of a file that are used; None for all."""
    reading = current_reading()
    options = [find_column(header, name) for name in (*reading.where, *filter(None, [reading.newest_by]))]
    used = [find_column(header, name) for name in columns or []] + options
    if names is not None:
        wanted = {plain(alias) for aliases in names.values() for alias in aliases}
        used += [name for name in header if plain(name) in wanted]
    if (columns is None and names is None) or None in used:
        return None
    return {name for name in used if name is not None}


def _read(file: Path, columns: Sequence[str] | None, names: Mapping[str, Sequence[str]] | None) -> pd.DataFrame:
    reading = current_reading()
    if file.parent.name.lower().endswith(SHEET_SUFFIXES) and not file.is_file():
        return _kept(file, _read_sheet(file), names)
    if file.name.lower().endswith(PARQUET_SUFFIXES):
        return _read_parquet(file, partial(_used, columns=columns, names=names), partial(_kept, file, names=names))
    is_large = disk_file(file).stat().st_size > LARGE_FILE
    used = partial(_used, columns=columns, names=names) if is_large else None
    table, dialect = read_csv(file, used, partial(_kept, file, names=names))
    reading.separators[file] = dialect.separator
    if words := dialect.in_words():
        reading.note(file, words)
    return table


def _read_parquet(file: Path, find_used: FindUsed, keep: Keep) -> pd.DataFrame:
    """Return the used columns and the kept rows of a Parquet file, of which a part at a time is in memory."""
    if not file.is_file():
        with open_file(file) as stream:
            return _parts_of_parquet(pq.ParquetFile(io.BytesIO(stream.read())), find_used, keep)
    with pq.ParquetFile(file) as source:
        return _parts_of_parquet(source, find_used, keep)


def _parts_of_parquet(source: pq.ParquetFile, find_used: FindUsed, keep: Keep) -> pd.DataFrame:
    header, parts, first = list(source.schema_arrow.names), list[pd.DataFrame](), 1
    used = find_used(header)
    # A column twice is an error of its own, which names both.
    columns = None if used is None or len(set(header)) < len(header) else [name for name in header if name in used]
    for batch in source.iter_batches(ROWS_PER_PART, columns=columns):
        part = batch.to_pandas(ignore_metadata=True)
        part.index = pd.RangeIndex(first, first + len(part))
        part.attrs[HEADER] = header
        parts.append(keep(part))
        first += len(part)
    table = pd.concat(parts) if len(parts) > 1 else parts[0] if parts else _no_rows(source, columns)
    table.attrs[HEADER] = header
    return table


def _no_rows(source: pq.ParquetFile, columns: Sequence[str] | None) -> pd.DataFrame:
    names = source.schema_arrow.names if columns is None else columns
    return pd.DataFrame({name: pd.Series([], dtype=str) for name in names})


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
    table = DataRows(file, dialect).only_data(table)
    table.attrs |= {HEADER: rows[header], HEADER_ROW: header + 1}
    return table
