"""Spreadsheets: the sheets of workbooks (.xlsx, .xlsm, .xlsb, .xls, .ods) as rows of text."""

from __future__ import annotations

import datetime as dt
import io
import zipfile
from collections.abc import Sequence
from pathlib import Path

import python_calamine as calamine

from battery_lab.common.errors import DataError
from battery_lab.market.file_formats.archives import LIMITS, MIB, open_file

SHEET_SUFFIXES = (".xlsx", ".xlsm", ".xlsb", ".xls", ".ods")
DAY_S = 86_400
# A workbook is read into memory as a whole.
UNPACKED_MIB = 1024


def sheets(file: Path) -> dict[str, list[list[str]]]:
    """Return the sheets of a workbook that have cells.

    Returns:
        By name, the rows of the sheet from its first row on, as text: dates as ``2024-01-31``, times of a day as
        ``2024-01-31 00:05:00``, numbers with a decimal point, empty cells as "".

    Raises:
        DataError: the file is no workbook, has a password, or unpacks to more than 1 GiB.
        OSError: the file cannot be read.
    """
    with open_file(file) as stream:
        content = stream.read(UNPACKED_MIB * MIB + 1)
    _check_size(file, content)
    try:
        book = calamine.CalamineWorkbook.from_filelike(io.BytesIO(content))
        tables = {name: book.get_sheet_by_name(name).to_python(skip_empty_area=False) for name in book.sheet_names}
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
