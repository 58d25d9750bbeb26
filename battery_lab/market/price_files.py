"""Price files: find CSV and Parquet files, and read them with the row numbers that an editor shows."""

from __future__ import annotations

import csv
import glob
import gzip
import warnings
import zipfile
import zlib
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from itertools import islice
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from battery_lab.common.errors import DataError
from battery_lab.market.row_selection import join_names
from battery_lab.market.rows_with_source import row_error

CSV_SUFFIXES = (".csv", ".csv.gz")
PARQUET_SUFFIXES = (".parquet", ".pq")
# Files that may hold prices and that no market reads, in a folder with files that one reads.
PACKED_SUFFIXES = (".zip", ".7z", ".rar", ".tar", ".gz", ".tgz", ".bz2", ".xz", ".zst")
SHEET_SUFFIXES = (".xlsx", ".xlsm", ".xlsb", ".xls", ".ods", ".feather", ".tsv")
# These hold prices if they look like a table: many folders have a readme.
TEXT_SUFFIXES = (".txt", ".dat")
HEADER = "header"


def find_files(path: str, suffixes: Sequence[str]) -> list[Path]:
    """Return the files that ``market.path`` names, sorted by name.

    Args:
        path: a file, a folder (its own files, not those of folders below it) or a glob (``**`` for folders below).
        suffixes: lower-case file endings; the case of the file name does not matter.

    Raises:
        DataError: no such file exists, or a folder also has archives, spreadsheets, tables or folders with such files
            that would be left out.
    """
    source = Path(path).expanduser()
    if source.is_file():
        return _checked([source], suffixes)
    if source.is_dir():
        files = sorted(file for file in source.iterdir() if file.is_file() and _is_data(file, suffixes))
        if not files:
            raise DataError(f"market.path={path}: the folder has no {' or '.join(suffixes)} file. Unpack any archives")
        _check_complete(path, source, files, suffixes)
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


def _check_complete(path: str, folder: Path, files: Sequence[Path], suffixes: Sequence[str]) -> None:
    """Raise DataError if a folder has other files that may hold prices, except archives that were unpacked here."""
    names = {file.name for file in files}
    ending = max((end for end in suffixes if files[0].name.lower().endswith(end)), key=len)
    here = f"{path.rstrip('/')}/*{files[0].name[-len(ending) :]}"
    for other in sorted(set(folder.iterdir()) - set(files)):
        if other.is_dir() and not other.name.startswith("."):
            inside = next((file for file in sorted(other.iterdir()) if _is_data(file, suffixes)), None)
            if inside is not None:
                raise DataError(
                    f"market.path={path}: the folder also has {other.name}/{inside.name}, which would be left out. "
                    f"Name the files to read: market.path='{here}' without folders below it, or with them "
                    f"'{here.replace('/*', '/**/*')}'"
                )
        elif _may_hold_prices(other) and not _is_unpacked(other, names):
            raise DataError(
                f"market.path={path}: the folder also has {other.name}, which would be left out. Unpack or convert it "
                f"and move it away, or name the files to read: market.path='{here}'"
            )


def _may_hold_prices(file: Path) -> bool:
    """Return whether a file that no market reads may hold prices."""
    if _is_data(file, TEXT_SUFFIXES):
        with suppress(OSError), file.open(errors="replace") as lines:
            second = next((line for line in islice(lines, 1, 50) if line.strip()), "")
            return any(mark in second for mark in ",;\t|") and any(letter.isdigit() for letter in second)
    return _is_data(file, PACKED_SUFFIXES + SHEET_SUFFIXES + PARQUET_SUFFIXES)


def _is_unpacked(file: Path, names: set[str]) -> bool:
    """Return whether a folder with files of some names also has all files of a zip archive."""
    try:
        with zipfile.ZipFile(file) as archive:
            inside = [Path(name).name for name in archive.namelist() if not name.endswith("/")]
    except (zipfile.BadZipFile, OSError):
        return False
    return bool(inside) and names.issuperset(inside)


def _is_data(file: Path, suffixes: Sequence[str]) -> bool:
    return not file.name.startswith(".") and file.name.lower().endswith(tuple(suffixes))


def read_file(file: Path) -> pd.DataFrame:
    """Read a CSV, gzipped CSV or Parquet file.

    Returns:
        The rows of the file. CSV cells are text; Parquet cells keep their type. The index is the row that an editor
        shows (Parquet has no header). Blank lines are dropped, also those before the header. ``attrs["header"]`` holds
        the names of all columns as the file has them.

    Raises:
        DataError: the file cannot be read as the format of its name.
    """
    try:
        if file.name.lower().endswith(PARQUET_SUFFIXES):
            table = pq.ParquetFile(file).read().to_pandas(ignore_metadata=True)
            table.attrs[HEADER] = [str(name) for name in table.columns]
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
    blank, header = _header(file)
    with warnings.catch_warnings():
        # pandas cuts off rows that are longer than the header (as a decimal comma makes them) with a warning only.
        warnings.simplefilter("error", pd.errors.ParserWarning)
        table = pd.read_csv(
            file,
            compression=compression,
            skiprows=blank,
            dtype=str,
            keep_default_na=False,
            skip_blank_lines=False,
            index_col=False,
            encoding="utf-8-sig",
        )
    table.index += blank + 2
    table.attrs[HEADER] = header
    suspects = table[table.iloc[:, 0].str.strip() == ""]
    if not len(suspects):
        return table
    blank = suspects.apply(lambda cells: cells.str.strip() == "").all(axis=1)
    return table.drop(index=suspects.index[blank.to_numpy(bool)])


def _header(file: Path) -> tuple[int, list[str]]:
    """Return the number of blank lines before the header of a CSV file, and the names in it."""
    opened = gzip.open if file.name.lower().endswith(".gz") else open
    with opened(file, "rt", encoding="utf-8-sig", newline="") as lines:
        for blank, line in enumerate(lines):
            if line.strip(' \t\r\n,"'):
                return blank, next(csv.reader([line]))
    raise pd.errors.EmptyDataError("no header")


def check_unique(file: Path, table: pd.DataFrame, name: str, key: Callable[[str], str] = str) -> None:
    """Raise DataError if the header has a column's name twice: which of the two is meant is not known.

    Args:
        file: the file.
        table: what :func:`read_file` returned.
        name: the name as it stands in the header.
        key: names with the same key are the same.
    """
    places = [place for place, other in enumerate(table.attrs[HEADER], 1) if key(other) == key(name)]
    if len(places) > 1:
        problem = f"the column {name!r} stands {len(places)} times, as columns {', '.join(map(str, places))}"
        raise DataError(f"{file}: {problem}. Rename or remove all but one of them")


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
        check_unique(file, table, str(column), plain)
        frame[name] = table[column].str.strip()
    return frame


def has_column(table: pd.DataFrame, names: Sequence[str]) -> bool:
    """Return whether a table has a column with one of the names."""
    return not {plain(name) for name in names}.isdisjoint(plain(str(name)) for name in table.columns)


def plain(name: str) -> str:
    """Return a column name in lower case, without blanks and punctuation."""
    return "".join(letter for letter in name.lower() if letter.isalnum())
