"""NYISO (New York): LBMP files of zones or generators."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, ClassVar, Literal, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import AfterValidator

from battery_lab.common.validated_options import options
from battery_lab.market.cells.cell_numbers import to_numbers
from battery_lab.market.cells.operator_stamps import parse_stamps
from battery_lab.market.file_formats.price_files import named_columns, read_file
from battery_lab.market.file_formats.rows_with_source import row_error
from battery_lab.market.readers.day_ahead_market import DAY_AHEAD, REAL_TIME
from battery_lab.market.readers.market_option_types import Name
from battery_lab.market.readers.nodal_market import NodalMarket
from battery_lab.market.readers.nyiso_zones import zone_name

FORMATS = ("%m/%d/%Y %H:%M:%S", "%m/%d/%Y %H:%M")
QUARTER, HOUR_S = 15, 3600  # minutes, seconds
GRID_S = 300  # real-time intervals, and longer ones, begin at whole five minutes
# A same-day file forecasts two and a half hours ahead, in steps of 15 minutes.
FORECASTS = 10
# Files of which a copy is known have three.
USUAL_FORECASTS = 3
# In the names of day-ahead files, and of real-time ones.
DAY_AHEAD_NAME, REAL_TIME_NAMES = "damlbmp", ("rtlbmp", "realtime")
DAY = 1440  # minutes
COLUMNS = {"text": ("Time Stamp",), "zone": ("Name",), "price": ("LBMP ($/MWHr)", "LBMP ($/MWh)", "LBMP")}


@options("market")
class NyisoMarket(NodalMarket):
    """LBMP files, stamped on New York's local clock, which repeats an hour in autumn without a flag.

    A file that is downloaded on the day itself continues after its last real-time price, every 5 minutes, with
    forecasts of the Real-Time Commitment (RTC), every 15 minutes. These are left out, with a note: they are no settled
    prices. Rows that may be either are an error.

    Attributes:
        zone: name of the zone or generator, for example ``N.Y.C.``, or another name of a zone (``NYC``, ``Zone J``,
            ``Long Island``); None uses the only one in the files.
        stamps: what a stamp marks: ``start`` or ``end`` of the interval; ``auto`` is ``start`` for hourly files
            (day-ahead, integrated) and ``end`` for the real-time files.
        off_grid: what to do with the rows that NYISO adds when it dispatches between two intervals (stamps such as
            13:52:18): ``refuse`` raises an error, ``drop`` ignores them and keeps the price of the regular interval.
        day_ahead_published: as of all day-ahead markets. Hourly files whose names have ``damlbmp`` are day-ahead;
            others may be real time.
    """

    zone: Annotated[Name, AfterValidator(zone_name)] | None
    stamps: Literal["auto", "start", "end"]
    off_grid: Literal["refuse", "drop"]

    selectors: ClassVar[tuple[str, ...]] = ("zone",)
    recognised_by: ClassVar[tuple[Mapping[str, Sequence[str]], ...]] = (COLUMNS,)
    usual_selection: ClassVar[tuple[str, ...]] = ("N.Y.C.",)
    interval_hint: ClassVar[str] = "Real-time files have 5 minutes, day-ahead files 60"

    def marks_end(self, interval_s: int) -> bool:
        return interval_s < HOUR_S if self.stamps == "auto" else self.stamps == "end"

    def price_kind(self, files: Sequence[Path], selected: Mapping[str, str], interval_s: int) -> str | None:
        """Return the kind of prices; those of hours may be of either kind, as the names of all files tell."""
        names = [file.name.lower() for file in files]
        if interval_s < HOUR_S or all(any(part in name for part in REAL_TIME_NAMES) for name in names):
            return REAL_TIME
        return DAY_AHEAD if all(DAY_AHEAD_NAME in name for name in names) else None

    def read(self, file: Path) -> pd.DataFrame:
        frame = named_columns(file, read_file(file, names=COLUMNS), COLUMNS, "NYISO LBMP files")
        frame["stamp"] = parse_stamps(file, frame["row"], frame.pop("text"), FORMATS, "01/31/2024 00:05:00")
        frame["price"] = to_numbers(file, frame["row"], frame["price"], "LBMP ($/MWHr)")
        return self._without_forecasts(file, self._on_grid(file, frame))

    def _on_grid(self, file: Path, frame: pd.DataFrame) -> pd.DataFrame:
        grid_s = GRID_S if _has_five_minutes(frame) else 60 * (self.interval_minutes or 5)
        off = (frame["stamp"].astype("int64") % grid_s != 0).to_numpy()
        if off.any() and self.off_grid == "refuse":
            i = int(np.argmax(off))
            problem = f"the stamp {frame['stamp'].iloc[i]} is not on a whole interval ({off.sum()} such rows)"
            remedy = "NYISO adds such rows when it dispatches between intervals: ignore them with market.off_grid=drop"
            raise row_error(file, int(frame["row"].iloc[i]), problem, remedy)
        kept = frame[~off].copy()
        if off.any():
            count = f"{off.sum():,} row{'s' if off.sum() > 1 else ''} between two intervals"
            note = f"{file.name}: {count} left out (market.off_grid)"
            kept.attrs["notes"] = [note]
        return kept

    def _without_forecasts(self, file: Path, frame: pd.DataFrame) -> pd.DataFrame:
        minute = frame["stamp"].to_numpy("datetime64[m]").astype(np.int64)
        minutes = np.unique(minute)
        if self.interval_minutes not in (None, 5) and not _has_five_minutes(frame):
            return frame
        is_forecast, notes = np.zeros(len(frame), np.bool_), []
        # The rows of a zone are more than its stamps where the clock repeats an hour.
        most = int(frame["zone"].value_counts().max()) if len(frame) else 0
        for stretch in _forecasts(minutes, most):
            inside = (minute >= minutes[stretch.first]) & (minute <= minutes[stretch.end - 1])
            rows, stamps = frame["row"][inside], frame["stamp"][inside]
            where = f"rows {rows.iloc[0]} to {rows.iloc[-1]}, stamped {stamps.iloc[0]} to {stamps.iloc[-1]}"
            if not stretch.is_sure:
                problem = f"{where}, are 15 minutes apart in a file of 5 minutes: forecasts (RTC) or prices"
                raise row_error(file, int(rows.iloc[0]), problem, "Download the day again, or remove these rows")
            is_forecast |= inside
            notes.append(
                f"{file.name}: {where}, are 15-minute forecasts (RTC) after the last real-time price, and were left out"
            )
        kept = frame[~is_forecast].copy() if notes else frame
        if notes and not len(kept):
            notes = [
                f"{file.name} holds forecasts (RTC) alone, and no settled price: it was downloaded on the day itself"
            ]
        kept.attrs["notes"] = [*frame.attrs.get("notes", []), *notes]
        return kept


def _has_five_minutes(frame: pd.DataFrame) -> bool:
    """Return whether most stamps of a file are 5 minutes apart, whatever interval the market shall have."""
    minutes = np.unique(frame["stamp"].to_numpy("datetime64[m]").astype(np.int64))
    return len(minutes) > 1 and float(np.median(np.diff(minutes))) == 5


class _Stretch(NamedTuple):
    """Stamps ``first`` to before ``end`` that look like those of forecasts, and whether they can be nothing else."""

    first: int
    end: int
    is_sure: bool


def _forecasts(minutes: NDArray[np.int64], rows: int) -> list[_Stretch]:
    """Return the stretches of forecasts in a file with (N,) rising stamps, minutes, and a number of rows of a zone.

    Forecasts are 15 minutes apart, on quarters of an hour, and at most ``FORECASTS``. After them, the file ends
    or has a break, as it was downloaded then. The price before the first of them may lie on a quarter, too: it
    looks like a forecast, and counts as one, unless the usual number of forecasts follows. A stretch up to
    midnight, or one that prices follow at once, may as well be of prices between which others are missing. So may
    two stamps alone, which count as forecasts at the end of a file that does not reach midnight only.
    """
    steps, on_quarter = np.diff(minutes), minutes % QUARTER == 0
    if on_quarter.all():
        all_forecast = len(minutes) > 1 and rows <= FORECASTS and (steps == QUARTER).all()
        return [_Stretch(0, len(minutes), True)] if all_forecast else []
    apart = (steps == QUARTER) & on_quarter[:-1]
    edges = np.flatnonzero(np.diff(apart, prepend=False, append=False))
    runs = [(int(first), int(last) + 1) for first, last in zip(edges[::2], edges[1::2], strict=True)]
    if on_quarter[-1] and steps[-1] not in (5, QUARTER):
        runs.append((len(minutes) - 1, len(minutes)))  # a single forecast
    return [stretch for first, end in runs if (stretch := _stretch(minutes, steps, first, end))]


def _stretch(minutes: NDArray[np.int64], steps: NDArray[np.int64], first: int, end: int) -> _Stretch | None:
    """Return stamps ``first`` to before ``end``, which are 15 minutes apart, if they look like those of forecasts."""
    may_begin_with_price = first > 0 and steps[first - 1] == 5
    if may_begin_with_price and end - first == USUAL_FORECASTS + 1:
        first += 1
    is_last, is_midnight = end == len(minutes), minutes[end - 1] % DAY == 0
    if end - first - may_begin_with_price > FORECASTS:
        return None
    if end - first <= 2 and (is_midnight or not is_last):
        return None
    is_before_break = is_last or steps[end - 1] > QUARTER
    return _Stretch(first, end, is_sure=bool(is_before_break and not is_midnight))
