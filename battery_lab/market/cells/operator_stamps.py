"""Operator stamps: time stamps in the formats of an operator's files, or as a spreadsheet rewrote them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from battery_lab.market.cells.stamp_forms import Order, other_forms
from battery_lab.market.cells.timestamps import check_stamps
from battery_lab.market.file_formats.reading_context import current_reading

# Beginning of a format -> what comes first where stamps do not tell.
ORDERS: dict[str, Order] = {"%d": "day", "%m": "month"}


def parse_stamps(
    file: Path, rows: pd.Series, text: pd.Series, formats: Sequence[str], example: str, utc: bool = False
) -> pd.Series:
    """Convert text to time stamps.

    Args:
        file: the file.
        rows: (N,) the row of each stamp in its file.
        text: (N,) the stamps.
        formats: possible strftime formats; each row may have any of them. If no row has one, as a spreadsheet rewrites
            stamps in the form of its country, all forms are tried that have one meaning for the whole file.
        example: a stamp in the first format, for the error message.
        utc: whether the formats have a UTC offset.

    Returns:
        (N,) datetime64[s] without a time zone: as in the file, or in UTC if the formats have an offset.

    Raises:
        DataError: a stamp has none of the formats, is before 1990 or after 2199, or may have several meanings.
    """
    times = pd.to_datetime(text, format=formats[0], errors="coerce", utc=utc)
    for other in formats[1:]:
        left = times.isna()
        if not left.any():
            break
        times = times.where(~left, pd.to_datetime(text.where(left), format=other, errors="coerce", utc=utc))
    times = times.dt.tz_localize(None)
    if len(text) and times.isna().all() and not utc:
        times = other_forms(file, rows, text, "", ORDERS.get(formats[0][:2]))
        if times.notna().all():
            current_reading().note(file, f"its stamps are like {text.iloc[0]}, as a spreadsheet writes them")
    check_stamps(file, rows, text, times, example)
    return times.astype("datetime64[s]")
