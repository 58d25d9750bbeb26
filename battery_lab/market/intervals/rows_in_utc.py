"""Rows in UTC: the rows of all files of a market with their stamps in UTC, file after file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from battery_lab.market.cells.timestamps import to_utc, without_skipped_hour
from battery_lab.market.file_formats.rows_with_source import REPEATED, Rows
from battery_lab.market.intervals.row_versions import check_versions_of_repeated_hour


def rows_in_utc(files: Sequence[Path], frame: pd.DataFrame, zone: str) -> Rows:
    """Return the rows of a market, with the files in the order of their first stamps.

    Args:
        files: the files.
        frame: the rows, as :class:`battery_lab.market.file_formats.rows_with_source.Rows` describes them, with
            ``repeated`` if the files flag the second pass of repeated hours.
        zone: IANA name of the clock of stamps without a time zone.

    Raises:
        DataError: the clock skips a stamp, a flag is outside of a repeated hour, or rows of a repeated hour have
            versions and no flags.
    """
    stamp = frame["stamp"]
    in_utc = stamp.dt.tz is not None
    if in_utc:
        frame = frame.assign(stamp=stamp.dt.tz_convert("UTC").dt.tz_localize(None))
    else:
        frame = without_skipped_hour(files, frame, zone)
    flags = frame[REPEATED].to_numpy(np.bool_) if REPEATED in frame else None
    frame = frame.drop(columns=REPEATED, errors="ignore")
    rows = Rows(files=files, frame=frame, utc=frame["stamp"].to_numpy("datetime64[s]"))
    if not in_utc:
        if flags is None:
            check_versions_of_repeated_hour(rows, zone)
        rows = Rows(files=files, frame=frame, utc=to_utc(rows, zone, flags))
    return rows.take(np.argsort(_file_starts(rows), kind="stable"))


def _file_starts(rows: Rows) -> NDArray[np.datetime64]:
    """Return the UTC start of each row's file: in a repeated hour the local clock is ambiguous."""
    _, first, number = np.unique(rows.frame["file"].to_numpy(), return_index=True, return_inverse=True)
    starts: NDArray[np.datetime64] = rows.utc[first][number]
    return starts
