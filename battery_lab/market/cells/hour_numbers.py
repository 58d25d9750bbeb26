"""Hour numbers: cells that number hours or intervals of a day, and stamps made of a date and such a number."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pandas as pd

from battery_lab.market.cells.stamp_forms import End
from battery_lab.market.file_formats.reading_context import current_reading
from battery_lab.market.file_formats.rows_with_source import row_error

HOUR = r"^(?:HE|Hour|H)?\s*(?P<hour>\d{1,2})(?::(?P<minute>\d{2})(?::\d{2})?)?$"


def whole_numbers(file: Path, row: pd.Series, text: pd.Series, name: str, highest: int) -> pd.Series:
    """Return a column as whole numbers from 1 to ``highest``.

    Raises:
        DataError: a cell holds anything else.
    """
    number = pd.to_numeric(text, errors="coerce")
    wrong = ~number.isin(range(1, highest + 1)).to_numpy()
    if wrong.any():
        i = int(np.argmax(wrong))
        problem = f"{name} is {text.iloc[i]!r}, not a whole number from 1 to {highest}"
        raise row_error(file, int(row.iloc[i]), problem, "Correct the row, or download the file again")
    return number.astype("int64")


def after_midnight(day: pd.Series, minutes: pd.Series | int) -> pd.Series:
    """Return days, datetime64[s], plus minutes."""
    stamps: pd.Series = day + pd.to_timedelta(minutes, unit="min").astype("timedelta64[s]")
    return stamps


def with_hours(file: Path, rows: pd.Series, days: pd.Series, text: pd.Series, end: End) -> pd.Series:
    """Return times made of a date and of the hour in another column.

    Hours from 1 to 24 number the hours by their end, and hours from 0 to 23 are the time of the clock. Ranges such as
    ``00 - 01`` and times such as ``00:30`` are times of the clock, too.

    Args:
        file: the file.
        rows: (N,) the row of each stamp in its file.
        days: (N,) datetime64, the dates.
        text: (N,) the hours.
        end: whether the start or the end of the interval is returned.

    Raises:
        DataError: a cell is no hour; or the hours may be of either kind.
    """
    text = text.astype(object)
    ranges = text.str.extract(r"^(?P<start>\d{1,2}(?::\d{2})?)\s*(?:-|–|to)\s*(?P<end>\d{1,2}(?::\d{2})?)$")
    is_range = bool(len(text)) and ranges["start"].notna().all()
    parts = (ranges[end] if is_range else text).str.extract(HOUR, flags=re.IGNORECASE)
    hour, minute = pd.to_numeric(parts["hour"]), pd.to_numeric(parts["minute"].fillna("0"))
    wrong = (hour.isna() | (hour > 24) | (minute > 59) | ((hour == 24) & (minute > 0))).to_numpy(bool)
    if wrong.any():
        i = int(np.argmax(wrong))
        problem = f"the hour is {text.iloc[i]!r}, not a number from 0 to 24 or a time such as 00:30"
        raise row_error(file, int(rows.iloc[i]), problem, "Correct the row, or give one column with whole stamps")
    if is_range:
        # 23 - 00 ends on the next day.
        start = pd.to_numeric(ranges["start"].str.extract(HOUR, flags=re.IGNORECASE)["hour"])
        hour = hour + 24 * ((hour < start) & (end == "end"))
    elif parts["minute"].isna().all():
        hour = hour - _numbered_by_end(file, rows, hour, text, end)
    return days + pd.to_timedelta(60 * hour + minute, unit="min")


def _numbered_by_end(file: Path, rows: pd.Series, hour: pd.Series, text: pd.Series, end: End) -> int:
    """Return what is to be taken from the hours: 1 if they number hours by their end, and the start is wanted."""
    if not len(hour) or (hour == 0).any() or end == "end":
        if (hour == 0).any() and (hour == 24).any():
            i = int(np.argmax(hour.to_numpy() == 24))
            raise row_error(file, int(rows.iloc[i]), "the hours go from 0 to 24", "Number them from 0 or from 1")
        return 0
    if (hour == 24).any():
        current_reading().note(file, "the hours from 1 to 24 number the hours of a day by their end")
        return 1
    problem = f"the hours go from {text.iloc[int(hour.argmin())]} to {text.iloc[int(hour.argmax())]}"
    remedy = "Use files with a whole day, or market.stamps=end if hours are numbered by their end"
    raise row_error(file, int(rows.iloc[0]), f"{problem}, which may be counted from 0 or from 1", remedy)
