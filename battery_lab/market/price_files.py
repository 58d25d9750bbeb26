"""Find price files, and read them as text with the row numbers that an editor shows."""

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
from battery_lab.market.file_rows import complaint, listed

CSV_SUFFIXES = (".csv", ".csv.gz")
PARQUET_SUFFIXES = (".parquet", ".pq")


def find_files(path: str, suffixes: Sequence[str]) -> list[Path]:
    """Return the files that ``market.path`` names, by name.

    Args:
        path: a file, a folder (its own files, not those of folders below it) or a glob (``**`` for folders below).
        suffixes: the endings that a folder's files must have, lower case; in any case in the file's name.

    Raises:
        DataError: there is no such file.
    """
    given = Path(path).expanduser()
    if given.is_file():
        return _checked([given], suffixes)
    if given.is_dir():
        found = sorted(file for file in given.iterdir() if file.is_file() and _is_data(file, suffixes))
        if not found:
            raise DataError(f"market.path={path}: the folder has no {' or '.join(suffixes)} file. Unpack any archives")
        return found
    found = sorted(Path(name) for name in glob.glob(str(given), recursive=True) if Path(name).is_file())
    if not found:
        here = Path.cwd()
        raise DataError(f"market.path={path}: no such file, folder or glob, seen from {here}. Correct market.path")
    return _checked(found, suffixes)


def _checked(files: list[Path], suffixes: Sequence[str]) -> list[Path]:
    for file in files:
        if not file.name.lower().endswith(tuple(suffixes)):
            raise DataError(f"{file} is no {' or '.join(suffixes)} file. Unpack archives, export sheets to CSV")
    return files


def _is_data(file: Path, suffixes: Sequence[str]) -> bool:
    return not file.name.startswith(".") and file.name.lower().endswith(tuple(suffixes))


def read_file(file: Path) -> pd.DataFrame:
    """Read a CSV, gzipped CSV or Parquet file.

    Returns:
        One row a row of the file; CSV cells are text, Parquet cells are as they are stored. The index is the row that
        an editor shows (the header is row 1; Parquet has no header). Blank lines are left out.

    Raises:
        DataError: the file cannot be read as what its name says.
    """
    try:
        if file.name.lower().endswith(PARQUET_SUFFIXES):
            table = pq.ParquetFile(file).read().to_pandas(ignore_metadata=True)
            return table.set_index(table.index + 1)
        return _read_csv(file)
    except (pa.ArrowException, pd.errors.ParserError, pd.errors.ParserWarning) as error:
        raise DataError(f"{file} is not a whole table: {error}. Download it again, or correct that row") from error
    except pd.errors.EmptyDataError as error:
        raise DataError(f"{file} is empty. Download it again, or take it out of market.path") from error
    except (OSError, EOFError, zlib.error, UnicodeDecodeError) as error:
        raise DataError(f"{file} cannot be read: {error}. Download it again, or check who may read it") from error


def _read_csv(file: Path) -> pd.DataFrame:
    packed = "gzip" if file.name.lower().endswith(".gz") else None
    with warnings.catch_warnings():
        # Rows that are longer than the header would be cut in silence (a decimal comma makes such rows).
        warnings.simplefilter("error", pd.errors.ParserWarning)
        table = pd.read_csv(
            file,
            compression=packed,
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
    """Return the columns that a reader asks for, under the reader's own names, and the row in the file as ``row``.

    Args:
        file: the file.
        table: what :func:`read_file` returned.
        names: for each column wanted: the names that files have for it; case, blanks and signs do not count.
        kind: what such a file is called, for the error.

    Raises:
        DataError: the file has no such column.
    """
    have = {plain(str(name)): name for name in reversed(table.columns)}
    frame = pd.DataFrame({"row": table.index}, index=table.index)
    for name, theirs in names.items():
        column = next((have[plain(one)] for one in theirs if plain(one) in have), None)
        if column is None:
            problem = f"there is no column {' or '.join(theirs)}, only {listed(list(table.columns))}"
            raise complaint(file, 1, problem, f"market.path must name {kind}")
        frame[name] = table[column].str.strip()
    return frame


def has_column(table: pd.DataFrame, names: Sequence[str]) -> bool:
    """Return whether a file has a column under any of the names."""
    return not {plain(name) for name in names}.isdisjoint(plain(str(name)) for name in table.columns)


def plain(name: str) -> str:
    """Return a column's name without case, blanks and signs."""
    return "".join(letter for letter in name.lower() if letter.isalnum())
