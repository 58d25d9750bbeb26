"""Row versions: the numbers by which the newest of several rows for one interval is found.

A reader numbers the rows if its operator publishes corrections, and ``market.newest_by`` names a column for all others.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from battery_lab.common.errors import DataError
from battery_lab.market.cells.stamp_forms import other_forms
from battery_lab.market.cells.timestamps import is_repeated
from battery_lab.market.file_formats.reading_context import current_reading
from battery_lab.market.file_formats.rows_with_source import VERSION, Rows, row_error

REMEDY = (
    "market.newest_by must name a column whose largest value is the newest version: of numbers, of true and false, or "
    "of times such as 2024-01-31T00:05Z"
)
TRUTH = {"true": 1.0, "false": 0.0, "yes": 1.0, "no": 0.0, "y": 1.0, "n": 0.0}


def with_version_numbers(files: Sequence[Path], frame: pd.DataFrame) -> pd.DataFrame:
    """Return rows whose column ``version``, if they have it, is a number instead of text.

    Versions are numbers, true and false, or time stamps. An empty cell is older than any other.

    Raises:
        DataError: a version is none of these.
    """
    if VERSION not in frame:
        return frame
    if pd.api.types.is_numeric_dtype(frame[VERSION]):
        return frame.assign(**{VERSION: frame[VERSION].astype(float).fillna(-np.inf)})
    text = frame[VERSION].astype(str).str.strip()
    empty = text == ""
    numbers = pd.to_numeric(text.where(~empty), errors="coerce")
    if not (numbers.notna() | empty).all():
        numbers = text.str.lower().map(TRUTH)
    if not (numbers.notna() | empty).all():
        texts = frame.assign(text=text)[~empty].groupby("file")
        times = pd.concat([_times(files[int(number)], of_file) for number, of_file in texts]).reindex(frame.index)
        numbers = times.astype("datetime64[s]").astype("int64").astype(float).where(times.notna())
    wrong = (numbers.isna() & ~empty).to_numpy(bool, copy=True)
    if wrong.any():
        i = int(np.argmax(wrong))
        problem = f"{current_reading().newest_by} is {text.iloc[i]!r}, which is no number, true or false, or time"
        raise row_error(files[int(frame["file"].iloc[i])], int(frame["row"].iloc[i]), problem, REMEDY)
    return frame.assign(**{VERSION: numbers.fillna(-np.inf)})


def _times(file: Path, frame: pd.DataFrame) -> pd.Series:
    """Return the versions of a file as times.

    Raises:
        DataError: they have several meanings.
    """
    text = frame["text"]
    times = pd.to_datetime(text, format="ISO8601", errors="coerce", utc=True).dt.tz_localize(None)
    if times.notna().all():
        return times
    try:
        return other_forms(file, frame["row"], text, "")
    except DataError as error:
        problem = f"{current_reading().newest_by} is {text.iloc[0]!r}, in which day, month or year may be first"
        raise row_error(file, int(frame["row"].iloc[0]), problem, REMEDY) from error


def check_versions_of_repeated_hour(rows: Rows, zone: str) -> None:
    """Raise DataError if rows of a repeated hour have versions: its second pass looks like a newer version."""
    if VERSION not in rows.frame:
        return
    repeated = is_repeated(rows.frame["stamp"], zone)
    versions = rows.frame[VERSION].to_numpy(np.float64)[repeated]
    if len(versions) and (versions != versions[0]).any():
        problem = f"rows of several versions in an hour that {zone} repeats: a second pass may be a newer version"
        remedy = "Use a column of stamps in UTC"
        raise rows.error(int(np.argmax(repeated)), problem, remedy)
