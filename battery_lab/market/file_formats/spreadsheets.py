"""Spreadsheets: the sheets of workbooks (.xlsx, .xlsm, .xlsb, .xls, .ods) as rows of text."""

from __future__ import annotations

import datetime as dt
import io
import zipfile
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import python_calamine as calamine

from battery_lab.common.errors import DataError
from battery_lab.market.file_formats.archives import LIMITS, MIB, disk_file, open_file

SHEET_SUFFIXES = (".xlsx", ".xlsm", ".xlsb", ".xls", ".ods")
DAY_S = 86_400
# A workbook is read into memory as a whole.
UNPACKED_MIB = 1024
MOST_CELLS = 20_000_000  # a cell takes some 60 bytes


Sheets = dict[str, list[list[str]]]


def sheets(file: Path) -> Sheets:
    """Return the sheets of a workbook that have cells. They stay in memory until those of another one are read.

    Returns:
        By name, the rows of the sheet from its first row on, as text: dates as ``2024-01-31``, times of a day as
        ``2024-01-31 00:05:00``, numbers with a decimal point, empty cells as "".

    Raises:
        DataError: the file is no workbook, has a password, unpacks to more than 1 GiB, or has more than 20 million
            cells.
        OSError: the file cannot be read.
    """
    stat = disk_file(file).stat()
    return _sheets(file, stat.st_mtime_ns, stat.st_size)


def close_workbook() -> None:
    """Give back the memory of the workbook that was read last."""
    _sheets.cache_clear()


# Its sheets are read one after the other.
@lru_cache(maxsize=1)
def _sheets(file: Path, changed: int, size: int) -> Sheets:
    with open_file(file) as stream:
        content = stream.read(UNPACKED_MIB * MIB + 1)
    _check_size(file, content)
    try:
        book = calamine.CalamineWorkbook.from_filelike(io.BytesIO(content))
        found = {name: book.get_sheet_by_name(name) for name in book.sheet_names}
        ends = [sheet.end for sheet in found.values() if sheet.end is not None]
        if sum((row + 1) * (column + 1) for row, column in ends) > MOST_CELLS:
            raise DataError(f"{file} has more than {MOST_CELLS:,} cells. Export its sheets to CSV")
        tables = {name: sheet.to_python(skip_empty_area=False) for name, sheet in found.items()}
    except (calamine.CalamineError, calamine.PasswordError, OSError, ValueError) as error:
        raise DataError(f"{file} cannot be read as a workbook: {error}. Save it again, or export it to CSV") from error
    return {name: [[_text(cell) for cell in row] for row in rows] for name, rows in tables.items() if rows}


def _check_size(file: Path, content: bytes) -> None:
    size = len(content)
    if zipfile.is_zipfile(io.BytesIO(content)):
        try:
            infos: Sequence[zipfile.ZipInfo] = zipfile.ZipFile(io.BytesIO(content)).infolist()
        except zipfile.BadZipFile as error:
            raise DataError(f"{file} cannot be read as a workbook: {error}. Save it again") from error
        size = sum(info.file_size for info in infos)
        if len(infos) > LIMITS.members:
            size = UNPACKED_MIB * MIB + 1
    if size > UNPACKED_MIB * MIB:
        raise DataError(f"{file} unpacks to more than {UNPACKED_MIB:,} MiB. Export the sheet to CSV")


def _text(cell: object) -> str:
    """Return a cell as text. Workbooks hold times as fractions of a day, so that seconds are rounded."""
    if isinstance(cell, bool):
        return str(cell)
    if isinstance(cell, float):
        return str(int(cell)) if cell.is_integer() and abs(cell) < 1e15 else repr(cell)
    if isinstance(cell, dt.datetime):
        rounded = cell + dt.timedelta(microseconds=500_000)
        return rounded.replace(microsecond=0, tzinfo=None).isoformat(sep=" ")
    if isinstance(cell, dt.time):
        return _clock(round(cell.hour * 3600 + cell.minute * 60 + cell.second + cell.microsecond / 1e6))
    if isinstance(cell, dt.timedelta):
        return _clock(round(cell.total_seconds()))
    return str(cell)


def _clock(seconds: int) -> str:
    return f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}"
