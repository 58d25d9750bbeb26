"""File search: the price files that `market.path` names, in folders below it, in archives and in workbooks."""

from __future__ import annotations

import glob
import os
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from itertools import islice
from pathlib import Path, PurePath

from battery_lab.common.errors import DataError
from battery_lab.market.file_formats.archives import (
    MIB,
    ZIP_SUFFIX,
    archive_contents,
    archive_members,
    is_zip,
    open_file,
)
from battery_lab.market.file_formats.csv_dialect import header_line
from battery_lab.market.file_formats.spreadsheets import SHEET_SUFFIXES, sheets

CSV_SUFFIXES = (".csv", ".csv.gz")
PARQUET_SUFFIXES = (".parquet", ".pq")
# These hold prices if they look like a table: many folders have a readme.
TEXT_SUFFIXES = (".txt", ".dat")
TABLE_SUFFIXES = (*CSV_SUFFIXES, ".tsv", *TEXT_SUFFIXES, ".gz", ZIP_SUFFIX, *SHEET_SUFFIXES, *PARQUET_SUFFIXES)
# Files that may hold prices and that no market reads.
UNREADABLE_SUFFIXES = (".7z", ".rar", ".tar", ".tar.gz", ".tgz", ".bz2", ".xz", ".zst", ".feather")


def find_files(
    path: str, suffixes: Sequence[str], field: str = "market.path", copies: list[Path] | None = None
) -> list[Path]:
    """Return the files on disk that an option names, sorted by name.

    Args:
        path: a file, a folder (with all folders below it) or a glob (``**`` for folders below). A file or folder of
            exactly this name goes before a glob.
        suffixes: lower-case file endings; the case of the file name does not matter.
        field: the option, for errors.
        copies: takes the archives of a folder that are left out, as all of their files also lie unpacked in it.

    Raises:
        DataError: no such file exists, or a folder also has files that may hold prices and that would be left out.
    """
    source = Path(path).expanduser()
    if source.is_file():
        return _checked([source], suffixes)
    if source.is_dir():
        files = [file for file in sorted(_below(source)) if _is_read(file, suffixes, source)]
        unpacked = _by_name(file for file in files if not is_zip(file))
        left_out = [file for file in files if is_zip(file) and unpacked and _is_unpacked(file, unpacked)]
        files = sorted(set(files) - set(left_out))
        if copies is not None:
            copies += left_out
        if not files:
            kinds = ", ".join(suffixes)
            raise DataError(f"{field}={path}: the folder has no price files, which end in {kinds}")
        _check_complete(path, source, files, suffixes, field)
        return files
    files = sorted(Path(name) for name in glob.glob(str(source), recursive=True) if Path(name).is_file())
    if not files:
        here = Path.cwd()
        raise DataError(f"{field}={path}: no such file, folder or glob, relative to {here}. Correct {field}")
    return _checked(files, suffixes)


def tables_in(files: Sequence[Path], suffixes: Sequence[str], field: str = "market.path") -> list[Path]:
    """Return the tables in files: the files in each archive and the sheets in each workbook, and all other files.

    A file in an archive has the path of the archive and its name there. So has a sheet of a workbook.

    Raises:
        DataError: an archive or a workbook cannot be read, or holds no table.
    """
    tables = []
    for file in files:
        members = [file]
        if is_zip(file):
            inside = archive_members(file)
            members = [member for member in inside if _is_read(member, suffixes, file)]
            other = next((member for member in inside if _ends(member, UNREADABLE_SUFFIXES)), None)
            if other is not None or not members:
                problem = "no price file" if other is None else f"{other.name}, which cannot be read"
                raise DataError(f"{file} has {problem}. Unpack it, and name the files to read with {field}")
        for member in members:
            tables += _sheets_of(member) if _ends(member, SHEET_SUFFIXES) else [member]
    return tables


def _sheets_of(file: Path) -> list[Path]:
    """Return the sheets of a workbook that have a table; all must have the same columns."""
    headers: dict[str, list[str]] = {}
    for name, rows in sheets(file).items():
        header = header_line(rows)
        if header is not None and len(rows) > header + 1 and sum(bool(cell) for cell in rows[header]) > 1:
            headers[name] = rows[header]
    if not headers:
        raise DataError(f"{file} has no sheet with a table. Export the right sheet to CSV")
    first = next(iter(headers))
    other = next((name for name in headers if headers[name] != headers[first]), None)
    if other is not None:
        problem = f"the sheets {first!r} and {other!r} have different columns"
        raise DataError(f"{file}: {problem}. Export the sheets with prices to CSV, or remove the others")
    return [file / name for name in headers]


def _checked(files: list[Path], suffixes: Sequence[str]) -> list[Path]:
    for file in files:
        if not _ends(file, suffixes) or _ends(file, _unreadable(suffixes)):
            raise DataError(f"{file} is no file that ends in {', '.join(suffixes)}. Unpack archives, or export to CSV")
    return files


def _below(folder: Path) -> Iterator[Path]:
    """Yield all files in a folder and below it, except hidden ones. Links to folders are followed, once each."""
    seen = set()
    for place, folders, names in os.walk(folder, followlinks=True):
        real = os.path.realpath(place)
        folders[:] = [] if real in seen else [name for name in folders if not _is_hidden(name)]
        if real not in seen:
            yield from (Path(place) / name for name in names if not _is_hidden(name))
        seen.add(real)


def _check_complete(path: str, folder: Path, files: Sequence[Path], suffixes: Sequence[str], field: str) -> None:
    """Raise DataError if a folder has other files that may hold prices, except archives that were unpacked here."""
    names = _by_name(files)
    ending = max((end for end in suffixes if files[0].name.lower().endswith(end)), key=len)
    below = "**/" if any(file.parent != folder for file in files) else ""
    here = f"{path.rstrip('/')}/{below}*{files[0].name[-len(ending) :]}"
    for other in sorted(set(_below(folder)) - set(files)):
        readable = _ends(other, TABLE_SUFFIXES) and not _ends(other, suffixes) and _holds_table(other)
        if (readable or _ends(other, UNREADABLE_SUFFIXES)) and not (is_zip(other) and _is_unpacked(other, names)):
            raise DataError(
                f"{field}={path}: the folder also has {other.relative_to(folder)}, which would be left out. Unpack "
                f"or convert it and move it away, or name the files to read: {field}='{here}'"
            )


def _is_read(file: Path, suffixes: Sequence[str], within: Path) -> bool:
    """Return whether a file within a folder or an archive, whose own name may be hidden, is read."""
    hidden = any(map(_is_hidden, file.relative_to(within).parts))
    return not hidden and _ends(file, suffixes) and not _ends(file, _unreadable(suffixes)) and _holds_table(file)


def _unreadable(suffixes: Sequence[str]) -> list[str]:
    """Return the endings of files that no market reads, or this one not."""
    return [ending for ending in UNREADABLE_SUFFIXES if ending not in suffixes]


def _is_hidden(name: str) -> bool:
    return name.startswith(".") or name == "__MACOSX"


def _holds_table(file: Path) -> bool:
    """Return False for a text file that is no table, such as a readme; True for any other kind of file."""
    if _ends(file, TEXT_SUFFIXES):
        with suppress(OSError), open_file(file) as stream:
            lines = [line.decode("latin-1").replace("\0", "") for line in islice(stream, 50)]
            second = next((line for line in lines[1:] if line.strip()), "")
            return any(mark in second for mark in ",;\t|") and any(letter.isdigit() for letter in second)
    return True


def _by_name(files: Iterable[Path]) -> dict[str, list[Path]]:
    found = dict[str, list[Path]]()
    for file in files:
        found.setdefault(file.name, []).append(file)
    return found


def _is_unpacked(file: Path, files: Mapping[str, Sequence[Path]]) -> bool:
    """Return whether files of a folder, by name, have the content of all files of an archive."""
    try:
        inside = archive_contents(file)
    except (DataError, OSError):
        return False
    return bool(inside) and all(
        any(_has_content(copy, *content) for copy in files.get(member.name, ())) for member, content in inside.items()
    )


def _has_content(file: Path, size: int, crc: int) -> bool:
    """Return whether a file has a size and a CRC-32; only a file of that size is read."""
    if file.stat().st_size != size:
        return False
    found = 0
    with file.open("rb") as stream:
        while part := stream.read(MIB):
            found = zlib.crc32(part, found)
    return found == crc


def _ends(file: PurePath, suffixes: Sequence[str]) -> bool:
    return file.name.lower().endswith(tuple(suffixes))
