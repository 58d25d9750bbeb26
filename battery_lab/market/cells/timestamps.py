"""Time stamps: parse text, and convert a local clock with daylight saving to UTC."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from battery_lab.common.errors import require
from battery_lab.market.file_formats.reading_context import current_reading
from battery_lab.market.file_formats.rows_with_source import NOT_VALUES, Rows, row_error

Times = NDArray[np.datetime64]
EARLIEST, LATEST = np.datetime64("1990-01-01"), np.datetime64("2200-01-01")


def check_format(field: str, text: str) -> None:
    """Raise ConfigError unless a text is a strftime format, for the option ``field``."""
    rule = "must be a strftime format such as %d.%m.%Y %H:%M, or null for ISO 8601"
    require("%" in text, field, rule, text)
    try:
        pd.to_datetime(pd.Series(["2024"]), format=text, errors="coerce")
    except (ValueError, re.error) as error:
        # pandas builds a regular expression, which names a directive that occurs twice as a group.
        reason = re.sub(r"redefinition of group name '(\w)'.*", r"%\1 occurs twice", str(error))
        require(False, field, f"{rule} ({reason})", text)


def check_stamps(file: Path, rows: pd.Series, cells: pd.Series, times: pd.Series, example: str) -> None:
    """Raise DataError unless all stamps are from 1990 to 2199.

    Args:
        file: the file.
        rows: (N,) the row of each cell in its file.
        cells: (N,) the content of the file.
        times: (N,) the parsed stamps, NaT where parsing failed.
        example: a valid stamp, for the error message.
    """
    wrong = times.isna() | (times < EARLIEST) | (times >= LATEST)
    if wrong.any():
        i = int(np.argmax(wrong))
        remedy = "Correct the row, or remove it if the file ends within it"
        problem = f"the time stamp is {str(cells.iloc[i])!r}, not a time such as {example}"
        raise row_error(file, int(rows.iloc[i]), problem, remedy)


def to_utc(rows: Rows, zone: str, repeated: NDArray[np.bool_] | None) -> Times:
    """Convert the stamps of a local clock to UTC.

    When daylight saving ends, the local clock repeats an hour and its stamps are ambiguous. If the file does not flag
    the second pass, the order of the rows decides: the second pass begins where the stamps go back. If the hour occurs
    only once, it is the first pass, unless the series begins in it.

    Args:
        rows: the rows; their ``utc`` is not used.
        zone: IANA name of the clock.
        repeated: (N,) True where the file flags the second pass of a repeated hour; None if it has no flags.

    Returns:
        (N,) datetime64[s], UTC.

    Raises:
        DataError: a stamp is skipped by the clock when daylight saving begins, or a flag is outside a repeated hour.
    """
    local = pd.DatetimeIndex(rows.frame["stamp"])
    first, second = _on_utc(local, zone, daylight=True), _on_utc(local, zone, daylight=False)
    skipped = np.isnat(first)
    if skipped.any():
        i = int(np.argmax(skipped))
        remedy = (
            "Correct market.time_zone; a file in standard time all year needs a fixed zone, "
            "for example Etc/GMT+5 for UTC-5"
        )
        raise rows.error(i, f"{rows.stamp(i)} does not exist in {zone}: daylight saving skips it", remedy)
    ambiguous = first != second
    if repeated is None:
        return np.where(ambiguous & _second_pass(local.to_numpy(), ambiguous, _file_numbers(rows)), second, first)
    misplaced = repeated & ~ambiguous
    if misplaced.any():
        i = int(np.argmax(misplaced))
        problem = f"{rows.stamp(i)} is flagged as a repeated hour, but {zone} does not repeat it"
        raise rows.error(i, problem, "Correct market.time_zone, or the flag")
    return np.where(ambiguous & repeated, second, first)


def without_skipped_hour(files: Sequence[Path], frame: pd.DataFrame, zone: str) -> pd.DataFrame:
    """Return rows without those that have no value in an hour that does not exist, as daylight saving begins.

    Some files have a row for it, which is empty.

    Args:
        files: the files.
        frame: rows with ``file``, ``row``, ``stamp`` (on the clock of ``zone``) and values.
        zone: IANA name of the clock.
    """
    skipped = np.isnat(_on_utc(pd.DatetimeIndex(frame["stamp"]), zone, daylight=True))
    if not skipped.any():
        return frame
    values = [name for name in frame.columns if name not in NOT_VALUES]
    empty = skipped & frame[values].isna().all(axis=1).to_numpy(bool, copy=True)
    if empty.any():
        file = files[int(frame["file"].iloc[int(np.argmax(empty))])]
        current_reading().leave_out(file, "empty rows of an hour that clocks skip", int(empty.sum()))
    return frame[~empty]


def is_repeated(stamps: pd.Series, zone: str) -> NDArray[np.bool_]:
    """Return which of (N,) stamps of a local clock occur twice, as daylight saving ends."""
    local = pd.DatetimeIndex(stamps)
    return np.asarray(_on_utc(local, zone, daylight=True) != _on_utc(local, zone, daylight=False))


def _on_utc(local: pd.DatetimeIndex, zone: str, daylight: bool) -> Times:
    aware = local.tz_localize(zone, ambiguous=np.full(len(local), daylight), nonexistent="NaT")
    return np.asarray(aware.tz_convert("UTC").tz_localize(None), "datetime64[s]")


def _file_numbers(rows: Rows) -> NDArray[np.int64]:
    return rows.frame["file"].to_numpy(np.int64) if "file" in rows.frame else np.zeros(len(rows.utc), np.int64)


def _second_pass(local: Times, ambiguous: NDArray[np.bool_], file: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Return where the second pass of a repeated hour is.

    In a file with both passes, the second one begins where the stamps of that file go back. If each file has
    only a part of the hour, it begins where the stamps of all files together go back.
    """
    second = np.zeros(len(local), np.bool_)
    where = np.flatnonzero(ambiguous)
    day = local[where].astype("datetime64[D]")
    for date in np.unique(day):
        hour = where[day == date]
        _mark_after_step_back(local, hour, second)
        for number in np.unique(file[hour]) if file[hour[0]] != file[hour[-1]] else []:
            own = hour[file[hour] == number]
            if (np.diff(local[own]) <= np.timedelta64(0, "s")).any():
                second[own] = False
                _mark_after_step_back(local, own, second)
    return second


def _mark_after_step_back(local: Times, hour: NDArray[np.int64], second: NDArray[np.bool_]) -> None:
    back = np.flatnonzero(np.diff(local[hour]) <= np.timedelta64(0, "s"))
    if len(back):
        second[hour[back[0] + 1 :]] = True
    elif hour[0] == 0:
        second[hour] = True
