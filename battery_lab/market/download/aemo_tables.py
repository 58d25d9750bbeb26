"""AEMO's tables through NEMOSIS: monthly files of prices as they are, and forecasts with their times of publication."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Any

import pandas as pd

from battery_lab.common.errors import DataError
from battery_lab.market.download.fetch_request import FetchRequest
from battery_lab.market.download.guarded_http import DownloadError
from battery_lab.market.download.library_call import call_library, import_library
from battery_lab.market.readers.nem_market import NEM_TIME

ISSUED, END, PRICE = "issued", "interval_end", "price"  # columns of the forecasts; UTC, UTC, AUD per MWh
NEW_NAMES_FROM = date(2024, 8, 1)
MOST_FILES = 50  # that AEMO splits a month into
ROWS_AT_ONCE = 500_000
# Table -> the folder of the archive that has all runs, the columns that label a run, and the column of the interval.
FORECASTS = {
    "PREDISPATCHPRICE": ("PREDISP_ALL_DATA", "PREDISPATCHSEQNO", "DATETIME"),
    "P5MIN_REGIONSOLUTION": ("P5MIN_ALL_DATA", "RUN_DATETIME", "INTERVAL_DATETIME"),
}


def download_table(request: FetchRequest, key: str, first: date, last: date, part: Path) -> dict[str, Any]:
    """Download the months of a table into a folder: one file per part for prices, one Parquet file for forecasts.

    Args:
        request: what to download.
        key: the month, such as ``2024-01``.
        first: the first day.
        last: the last day.
        part: folder for the files.

    Returns:
        The facts of the entry.

    Raises:
        LabError: it cannot be downloaded.
    """
    month = date(first.year, first.month, 1)
    files = _download_parts(request, month, part)
    for file in files:
        _check_whole(file)
    if request.product.forecast:
        frame = _forecasts(files, request.product.table, request.location)
        for file in files:
            file.unlink()
        frame.to_parquet(part / f"{key}.parquet", index=False)
    return {"first": month, "last": last}


def _download_parts(request: FetchRequest, month: date, part: Path) -> list[Path]:
    """Download the archives of a month, which NEMOSIS unpacks, and return their files."""
    table, hosts = request.product.table, request.operator.hosts
    downloader = import_library("nemosis.downloader")
    files: list[Path] = []
    for number in range(1, MOST_FILES + 1):
        url = _address(downloader, table, month, number)
        before = set(part.iterdir())
        try:
            call_library(lambda url=url: downloader.download_unzip_csv(url, str(part)), hosts)  # type: ignore[misc]
        except DownloadError as error:
            # The file after the last one does not exist.
            if number > 1 and error.status == 404:
                break
            raise
        new = sorted(set(part.iterdir()) - before)
        if not new or any(file.suffix.lower() != ".csv" or not file.is_file() for file in new):
            names = ", ".join(file.name for file in new) or "nothing"
            raise DataError(f"the archive of {table} {month:%Y-%m} must hold a CSV file, and holds {names}")
        files += new
        if month < NEW_NAMES_FROM:
            break
    return files


def _address(downloader: Any, table: str, month: date, number: int) -> str:
    """Return the address of a file of a month in NEMOSIS's form; the names have changed in August 2024."""
    defaults = import_library("nemosis.defaults")
    folder = FORECASTS[table][0] if table in FORECASTS else "DATA"
    stamp = f"{month:%Y%m}010000"
    if month < NEW_NAMES_FROM:
        stub = f"PUBLIC_DVD_{table}_{stamp}"
        # Until then, the folder of most tables also has all runs of P5MIN.
        folder = "DATA" if table == "P5MIN_REGIONSOLUTION" else folder
    else:
        runs = "ALL#" if table in FORECASTS else ""
        stub = f"PUBLIC_ARCHIVE#{table}#{runs}FILE{number:02d}#{stamp}"
    address: str = downloader.format_aemo_url(defaults.aemo_mms_url, month.year, f"{month:%m}", stub)
    return address.replace("/DATA/", f"/{folder}/")


def _check_whole(file: Path) -> None:
    """Raise DownloadError unless a report has its last row."""
    with file.open("rb") as stream:
        stream.seek(max(0, file.stat().st_size - 200))
        if b"END OF REPORT" not in stream.read():
            raise DownloadError(f"{file.name} ends before its last row: the archive was cut off")


def _forecasts(files: Sequence[Path], table: str, region: str) -> pd.DataFrame:
    """Return the forecasts of a region: ``issued``, ``interval_end`` and ``price``.

    A run is written over some seconds. It counts as published when its last row was.
    """
    _, run, interval = FORECASTS[table]
    needed = {"REGIONID", "RRP", "LASTCHANGED", run, interval}
    columns = needed | {"INTERVENTION"}
    parts = []
    for file in files:
        pieces = pd.read_csv(
            file,
            skiprows=1,
            usecols=lambda name: name in columns,
            dtype=str,
            chunksize=ROWS_AT_ONCE,
            encoding="latin-1",
        )
        for piece in pieces:
            if lacking := needed - set(piece.columns):
                raise DataError(f"{file.name} has no column {', '.join(sorted(lacking))}")
            own = piece[piece["REGIONID"] == region]
            if "INTERVENTION" in own:
                own = own[pd.to_numeric(own["INTERVENTION"]) == 0]
            parts.append(own)
    rows = pd.concat(parts, ignore_index=True)
    times = {name: _utc(rows[name]) for name in ("LASTCHANGED", interval)}
    issued = times["LASTCHANGED"].groupby(rows[run]).transform("max")
    frame = pd.DataFrame({ISSUED: issued, END: times[interval], PRICE: pd.to_numeric(rows["RRP"])})
    return frame.drop_duplicates().sort_values([ISSUED, END], ignore_index=True)


def _utc(text: pd.Series) -> pd.Series:
    return pd.to_datetime(text, format="%Y/%m/%d %H:%M:%S").dt.tz_localize(NEM_TIME).dt.tz_convert("UTC")
