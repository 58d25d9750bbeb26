"""Stamp forms: time stamps without a stated format, in any form whose meaning the whole column settles.

ISO 8601, seconds or milliseconds since 1970, day first or month first, 24:00, and ranges such as ``00:00 - 01:00``.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
import pandas as pd

from battery_lab.common.errors import DataError
from battery_lab.market.cells.timestamps import check_stamps
from battery_lab.market.file_formats.reading_context import current_reading
from battery_lab.market.file_formats.rows_with_source import row_error

End = Literal["start", "end"]
Order = Literal["day", "month"]
LAST_DAY, LAST_MONTH = 31, 12
LETTERS = 2  # of a year without its century
FIRST_YEAR = 90  # of the 20th century: there were no markets before
# The end of a date looks like an offset. A true offset follows a time of day.
OFFSET = r"(?:[Zz]|[T ]\d.*[+-]\d\d(?::?\d\d)?)$"
ENOUGH = 50  # cells that show the form of a column, before all of them are tried
RANGE = r"^(?P<start>\S.*?\d\s*(?:[AaPp]\.?[Mm]\.?|[Zz])?)(?:\s+(?:-|–|to)\s+|/(?=\d{4}-))(?P<end>\d.*)$"
MIDNIGHT = r"^(?P<date>.*\d[T ])24:00(?P<rest>(?::00)?(?:\.0+)?\D*.*)$"
EPOCH_S, EPOCH_MS = r"\d{9,10}(?:\.0+)?", r"\d{12,13}(?:\.0+)?"
COMPACT = {r"\d{10}": "%Y%m%d%H", r"\d{12}": "%Y%m%d%H%M", r"\d{14}": "%Y%m%d%H%M%S"}
CLOCK = r"(?:[T ,]+(?P<hour>\d{1,2}):(?P<minute>\d{2})(?::(?P<second>\d{2})(?:\.\d+)?)?\s*(?P<half>[AaPp]\.?[Mm]\.?)?)?"
NUMBERED = rf"^(?P<first>\d{{1,2}})(?P<mark>[./-])(?P<second_number>\d{{1,2}})[./-](?P<year>\d{{4}}|\d{{2}}){CLOCK}$"
YEAR_FIRST = rf"^(?P<year>\d{{4}})(?P<mark>[./-])(?P<first>\d{{1,2}})[./-](?P<second_number>\d{{1,2}}){CLOCK}$"
NAMED_MONTH = (
    rf"^(?P<first>\d{{1,2}})(?P<mark>[ -])(?P<month>[A-Za-z]{{3}})[a-z]*\.?[ -](?P<year>\d{{4}}|\d{{2}}){CLOCK}$"
)
MONTHS = {
    name: i
    for i, name in enumerate(("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"), 1)
}


def parse_any(
    file: Path, rows: pd.Series, text: pd.Series, form: str | None, end: End, field: str, example: str
) -> pd.Series:
    """Convert stamps of any form to times.

    Args:
        file: the file.
        rows: (N,) the row of each stamp in its file.
        text: (N,) the stamps.
        form: their strftime format; None finds the form.
        end: which end of a range such as ``00:00 - 01:00`` is returned.
        field: the option that states the format, for errors.
        example: a valid stamp, for errors.

    Returns:
        (N,) datetime64[s], in UTC with a time zone if the stamps have a UTC offset or count from 1970, else without.

    Raises:
        DataError: a stamp has none of the forms, is before 1990 or after 2199, has an offset unlike others, or the
            order of day and month is not known.
    """
    if form is None and (times := epoch(text)) is not None:
        check_stamps(file, rows, text, times, example)
        current_reading().note(file, "its stamps count from 1970, in UTC")
        return times.astype("datetime64[s]").dt.tz_localize("UTC")
    part, day = without_24(one_end(text, end))
    if form is not None:
        in_utc = "%z" in form.lower()
        times = pd.to_datetime(part, format=form, errors="coerce", utc=in_utc).dt.tz_localize(None)
    else:
        in_utc = _has_offset(file, rows, part)
        times = pd.to_datetime(part, format="ISO8601", errors="coerce", utc=in_utc).dt.tz_localize(None)
        if not in_utc and times.notna().mean() < 0.5:
            times = other_forms(file, rows, part, field)
    check_stamps(file, rows, text, times, example)
    times = (times + day).astype("datetime64[s]")
    return times.dt.tz_localize("UTC") if in_utc else times


def _has_offset(file: Path, rows: pd.Series, text: pd.Series) -> bool:
    """Return whether stamps have a UTC offset."""
    offset = text.str.contains(OFFSET).to_numpy(np.bool_)
    if offset.any() and not offset.all():
        i = int(np.argmax(offset != offset[0]))
        problem = f"the stamp {text.iloc[i]!r} has {'a' if offset[i] else 'no'} UTC offset, unlike those before it"
        raise row_error(file, int(rows.iloc[i]), problem, "Give all stamps an offset, or none of them")
    return bool(offset.all()) and len(offset) > 0


def one_end(text: pd.Series, end: End) -> pd.Series:
    """Return the start or the end of stamps that are ranges; other stamps as they are."""
    if not any(re.match(RANGE, cell) for cell in text.iloc[:ENOUGH]):
        return text
    parts = text.astype(object).str.extract(RANGE)
    return parts[end].str.strip().where(parts[end].notna(), text).astype(str)


def without_24(text: pd.Series) -> tuple[pd.Series, pd.Series]:
    """Return stamps with 00:00 instead of 24:00, and the day to be added to each, which ends then."""
    late = text.str.contains("24:00", regex=False).to_numpy(bool, copy=True)
    for i in np.flatnonzero(late):
        late[i] = re.match(MIDNIGHT, text.iloc[i]) is not None
    day = pd.Series(np.where(late, np.timedelta64(1, "D"), np.timedelta64(0, "D")), text.index)
    if not late.any():
        return text, day
    cells = [re.sub(MIDNIGHT, r"\g<date>00:00\g<rest>", text.iloc[i]) for i in np.flatnonzero(late)]
    changed = text.astype(object)
    changed[late] = cells
    return changed.astype(str), day


def epoch(text: pd.Series) -> pd.Series | None:
    """Return stamps that are all seconds or milliseconds since 1970, in UTC; None if they are not."""
    if not len(text):
        return None
    for pattern, unit in ((EPOCH_S, "s"), (EPOCH_MS, "ms")):
        if re.fullmatch(pattern, text.iloc[0]) and text.str.fullmatch(pattern).all() and _compact(text) is None:
            return pd.Series(pd.to_datetime(text.astype("float64"), unit=unit), text.index)
    return None


def other_forms(file: Path, rows: pd.Series, text: pd.Series, field: str, usual: Order | None = None) -> pd.Series:
    """Convert stamps that are not in ISO 8601 to times.

    Args:
        file: the file.
        rows: (N,) the row of each stamp in its file.
        text: (N,) the stamps.
        field: the option that states the format, for the error; "" if there is none.
        usual: what the operator's stamps begin with, the day or the month, where the stamps do not tell.

    Returns:
        (N,) datetime64; NaT where a stamp has none of the forms.

    Raises:
        DataError: all numbers of days and months are at most 12, so that either may be first; or they contradict one
            another; or it is not known which of the numbers is the year.
    """
    compact = _compact(text)
    if compact is not None:
        return compact
    text = text.astype(object)
    parts = text.str.extract(YEAR_FIRST)
    if parts["year"].notna().any():
        return _assembled(parts, parts["first"], parts["second_number"])
    parts = text.str.extract(NAMED_MONTH)
    if parts["year"].notna().any():
        return _assembled(parts, parts["month"].str.lower().map(MONTHS), parts["first"])
    parts = text.str.extract(NUMBERED)
    column = _Column(file, rows, text, field, usual)
    if _year_is_first(column, parts):
        return _assembled(parts.assign(year=parts["first"]), parts["second_number"], parts["year"])
    if _day_is_first(column, parts):
        return _assembled(parts, parts["second_number"], parts["first"])
    return _assembled(parts, parts["first"], parts["second_number"])


class _Column(NamedTuple):
    """Stamps of a file, and what is known of them; see ``other_forms``."""

    file: Path
    rows: pd.Series
    text: pd.Series
    field: str
    usual: Order | None

    def refuse(self, problem: str, i: int, orders: Sequence[str]) -> DataError:
        """Return the error for stamps that have several meanings, by the first of them."""
        forms = [_strftime(self.text.iloc[i], order) for order in orders]
        remedy = "Save them like 2024-01-31 00:05, or read the file with market=table market.timestamp_format=..."
        if self.field:
            remedy = "State it: " + " or ".join(f"'{self.field}=\"{form}\"'" for form in forms)
        return row_error(self.file, int(self.rows.iloc[i]), problem, remedy)


def _year_is_first(column: _Column, parts: pd.DataFrame) -> bool:
    """Return whether the first of three numbers, of two digits at most, is the year, as in ``24-01-31``.

    Over the days of a file, the number of the day changes most, and that of the year least.
    """
    known = np.flatnonzero(parts["mark"].notna())
    if column.usual is not None or not len(known) or (parts["year"].iloc[known].str.len() > LETTERS).any():
        return False
    first, second, third = (pd.to_numeric(parts[name].iloc[known]) for name in ("first", "second_number", "year"))
    if third.max() > LAST_DAY or second.max() > LAST_MONTH or first.nunique() > third.nunique():
        return False
    if first.max() > LAST_DAY or third.nunique() > first.nunique():
        return True
    cell = column.text.iloc[known[0]]
    problem = f"the year may be the first or the last number of the stamp {cell!r}, and of all others of the file"
    raise column.refuse(problem, int(known[0]), ("dmy", "mdy", "ymd"))


def _day_is_first(column: _Column, parts: pd.DataFrame) -> bool:
    text, mark = column.text, parts["mark"]
    late_first, late_second = (
        (pd.to_numeric(parts[name]) > LAST_MONTH).to_numpy(bool) for name in ("first", "second_number")
    )
    if late_first.any() and late_second.any():
        i, j = int(np.argmax(late_first)), int(np.argmax(late_second))
        problem = f"{text.iloc[max(i, j)]!r} has another order of day and month than {text.iloc[min(i, j)]!r}"
        remedy = "Correct the stamps, so that all have one order"
        raise row_error(column.file, int(column.rows.iloc[max(i, j)]), problem, remedy)
    if late_first.any() or late_second.any():
        is_first = bool(late_first.any())
        current_reading().note(column.file, f"the {'day' if is_first else 'month'} is first in its stamps")
        return is_first
    known = np.flatnonzero(mark.notna())
    if not len(known) or mark.iloc[known[0]] == ".":
        return True  # no country writes months first with points
    if column.usual is not None:
        return column.usual == "day"
    cell = text.iloc[known[0]]
    problem = f"day or month may be first in the stamp {cell!r}, and in all others of the file"
    raise column.refuse(problem, int(known[0]), ("dmy", "mdy"))


def _strftime(cell: str, order: str) -> str:
    """Return the strftime format of a stamp, with day, month and year in an order."""
    parts = re.match(NUMBERED, cell)
    if parts is None:
        return f"%{order[0]}/%{order[1]}/%Y %H:%M"
    year = "%Y" if len(parts["year"]) == 4 else "%y"
    date = parts["mark"].join(year if letter == "y" else f"%{letter}" for letter in order)
    if parts["hour"] is None:
        return date
    clock = (
        ("%I:%M" if parts["half"] else "%H:%M") + (":%S" if parts["second"] else "") + (" %p" if parts["half"] else "")
    )
    return f"{date} {clock}"


def _assembled(parts: pd.DataFrame, month: pd.Series, day: pd.Series) -> pd.Series:
    """Return times made of numbers; NaT where they make none."""
    year = pd.to_numeric(parts["year"])
    hour = pd.to_numeric(parts["hour"].fillna("0"))
    half = parts["half"].str[:1].str.lower()
    wrong = half.notna() & ~hour.between(1, 12)
    hour = hour.where(half.isna(), hour % 12 + 12 * (half == "p"))
    numbers = {
        "year": year.where(year > 99, year + np.where(year >= FIRST_YEAR, 1900, 2000)),
        "month": pd.to_numeric(month),
        "day": pd.to_numeric(day),
        "hour": hour,
        "minute": pd.to_numeric(parts["minute"].fillna("0")),
        "second": pd.to_numeric(parts["second"].fillna("0")),
    }
    clock_is_wrong = (numbers["hour"] > 23) | (numbers["minute"] > 59) | (numbers["second"] > 59)
    return pd.to_datetime(pd.DataFrame(numbers), errors="coerce").mask(wrong | clock_is_wrong)


def _compact(text: pd.Series) -> pd.Series | None:
    """Return stamps such as 202401310005; None if they are not of this kind."""
    for pattern, form in COMPACT.items():
        if len(text) and text.str.fullmatch(pattern).all():
            times = pd.to_datetime(text, format=form, errors="coerce")
            if times.notna().all() and times.dt.year.between(1990, 2199).all():
                return times
    return None
