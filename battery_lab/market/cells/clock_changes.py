"""Clock changes: the hour that a local clock skips in spring and repeats in autumn, in files that mark neither."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from battery_lab.market.cells.timestamps import to_utc
from battery_lab.market.file_formats.rows_with_source import Rows, row_error


def without_missing_hour(file: Path, frame: pd.DataFrame, zone: str) -> pd.DataFrame:
    """Return the rows without those of the hour that the clock skips, which some operators list without a price.

    Args:
        file: the file.
        frame: rows with ``row``, ``stamp`` on the local clock, and ``price``, NaN where it is missing.
        zone: IANA name of the clock.

    Raises:
        DataError: a row of that hour has a price.
    """
    skipped = np.isnat(_on_utc(frame["stamp"], zone, daylight=True))
    wrong = skipped & frame["price"].notna().to_numpy()
    if wrong.any():
        i = int(np.argmax(wrong))
        problem = f"there is a price at {frame['stamp'].iloc[i]}, which daylight saving skips in {zone}"
        raise row_error(file, int(frame["row"].iloc[i]), problem, "Correct the row, or download the file again")
    return frame[~skipped]


def in_repeated_hour(stamps: pd.Series, zone: str) -> NDArray[np.bool_]:
    """Return (N,) True where a local stamp is in an hour that the clock repeats."""
    repeated: NDArray[np.bool_] = _on_utc(stamps, zone, daylight=True) != _on_utc(stamps, zone, daylight=False)
    return repeated


def utc_stamps(stamps: pd.Series, zone: str, second: NDArray[np.bool_]) -> NDArray[np.datetime64]:
    """Return local stamps, which the clock does not skip, in UTC; ``second`` marks those of the second pass."""
    return np.where(second, _on_utc(stamps, zone, daylight=False), _on_utc(stamps, zone, daylight=True))


def local_stamps(utc: pd.Series, zone: str) -> tuple[pd.Series, NDArray[np.bool_]]:
    """Return UTC stamps on a local clock, and (N,) True in the second pass of an hour that the clock repeats."""
    local = utc.dt.tz_localize("UTC").dt.tz_convert(zone).dt.tz_localize(None)
    second: NDArray[np.bool_] = _on_utc(local, zone, daylight=True) != utc.to_numpy("datetime64[s]")
    return local, second


def second_pass(file: Path, frame: pd.DataFrame, zone: str) -> NDArray[np.bool_]:
    """Return (N,) True in the second pass of an hour that the clock repeats, as the order of the rows tells.

    Args:
        file: the file.
        frame: the rows of one location, with ``row`` and ``stamp`` on the local clock.
        zone: IANA name of the clock.

    Raises:
        DataError: the clock skips a stamp.
    """
    rows = Rows(files=[file], frame=frame.assign(file=0), utc=frame["stamp"].to_numpy("datetime64[s]"))
    second: NDArray[np.bool_] = to_utc(rows, zone, None) != _on_utc(frame["stamp"], zone, daylight=True)
    return second


def _on_utc(stamps: pd.Series, zone: str, daylight: bool) -> NDArray[np.datetime64]:
    local = pd.DatetimeIndex(stamps)
    aware = local.tz_localize(zone, ambiguous=np.full(len(local), daylight), nonexistent="NaT")
    return np.asarray(aware.tz_convert("UTC").tz_localize(None), "datetime64[s]")
