"""Price files: find CSV and Parquet files, and read them with the row numbers that an editor shows."""

from __future__ import annotations

import glob
import warnings
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from battery_lab.common.errors import DataError
from battery_lab.market.row_selection import join_names
from battery_lab.market.rows_with_source import row_error

CSV_SUFFIXES = (".csv", ".csv.gz")
PARQUET_SUFFIXES = (".parquet", ".pq")


def find_files(path: str, suffixes: Sequence[str]) -> list[Path]:
    """Return the files that ``market.path`` names, sorted by name.

    Args:
        path: a file, a folder (its own files, not those of folders below it) or a glob (``**`` for folders below).
        suffixes: lower-case file endings; the case of the file name does not matter.

    Raises:
        DataError: no such file exists.
    """
    source = Path(path).expanduser()
    if source.is_file():
        return _checked([source], suffixes)
    if source.is_dir():
        files = sorted(file for file in source.iterdir() if file.is_file() and _is_data(file, suffixes))
        if not files:
            raise DataError(f"market.path={path}: the folder has no {' or '.join(suffixes)} file. Unpack any archives")
        return files
    files = sorted(Path(name) for name in glob.glob(str(source), recursive=True) if Path(name).is_file())
    if not files:
        here = Path.cwd()
        raise DataError(f"market.path={path}: no such file, folder or glob, relative to {here}. Correct market.path")
    return _checked(files, suffixes)


def _checked(files: list[Path], suffixes: Sequence[str]) -> list[Path]:
    for file in files:
        if not file.name.lower().endswith(tuple(suffixes)):
            kinds = " or ".join(suffixes)
            raise DataError(f"{file} is not a {kinds} file. Unpack archives, and export spreadsheets to CSV")
    return files


def _is_data(file: Path, suffixes: Sequence[str]) -> bool:
    return not file.name.startswith(".") and file.name.lower().endswith(tuple(suffixes))


def read_file(file: Path) -> pd.DataFrame:
    """Read a CSV, gzipped CSV or Parquet file.

    Returns:
        The rows of the file. CSV cells are text; Parquet cells keep their type. The index is the row that an editor
        shows (the header is row 1; Parquet has no header). Blank lines are dropped.

    Raises:
        DataError: the file cannot be read as the format of its name.
    """
    try:
        if file.name.lower().endswith(PARQUET_SUFFIXES):
            table = pq.ParquetFile(file).read().to_pandas(ignore_metadata=True)
            return table.set_index(table.index + 1)
        return _read_csv(file)
    except (pa.ArrowException, pd.errors.ParserError, pd.errors.ParserWarning) as error:
        raise DataError(f"{file} is not a complete table: {error}. Download it again, or correct that row") from error
    except pd.errors.EmptyDataError as error:
        raise DataError(f"{file} is empty. Download it again, or exclude it from market.path") from error
    except (OSError, EOFError, zlib.error, UnicodeDecodeError) as error:
        raise DataError(f"{file} cannot be read: {error}. Download it again, or check its permissions") from error


def _read_csv(file: Path) -> pd.DataFrame:
    compression = "gzip" if file.name.lower().endswith(".gz") else None
    with warnings.catch_warnings():
        # pandas cuts off rows that are longer than the header (as a decimal comma makes them) with a warning only.
        warnings.simplefilter("error", pd.errors.ParserWarning)
        table = pd.read_csv(
            file,
            compression=compression,
            dtype=str,
            keep_default_na=False,
            skip_blank_lines=False,
            index_col=False,
            encoding="utf-8-sig",
        )
    table.index += 2
    suspects = table[table.iloc[:, 0].str.strip() == ""]
    if not len(suspects):
        return table
    blank = suspects.apply(lambda cells: cells.str.strip() == "").all(axis=1)
    return table.drop(index=suspects.index[blank.to_numpy(bool)])


def named_columns(file: Path, table: pd.DataFrame, names: Mapping[str, Sequence[str]], kind: str) -> pd.DataFrame:
    """Return the requested columns under the lab's names, and the row in the file as ``row``.

    Args:
        file: the file.
        table: what :func:`read_file` returned.
        names: for each requested column, its possible names in files. Case, blanks and punctuation are ignored.
        kind: the kind of file, for the error message.

    Raises:
        DataError: the file does not have a requested column.
    """
    columns = {plain(str(name)): name for name in reversed(table.columns)}
    frame = pd.DataFrame({"row": table.index}, index=table.index)
    for name, aliases in names.items():
        column = next((columns[plain(alias)] for alias in aliases if plain(alias) in columns), None)
        if column is None:
            problem = f"there is no column {' or '.join(aliases)}, only {join_names(list(table.columns))}"
            raise row_error(file, 1, problem, f"market.path must name {kind}")
        frame[name] = table[column].str.strip()
    return frame


def has_column(table: pd.DataFrame, names: Sequence[str]) -> bool:
    """Return whether a table has a column with one of the names."""
    return not {plain(name) for name in names}.isdisjoint(plain(str(name)) for name in table.columns)


def plain(name: str) -> str:
    """Return a column name in lower case, without blanks and punctuation."""
    return "".join(letter for letter in name.lower() if letter.isalnum())
