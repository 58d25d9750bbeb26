"""NYISO (New York): LBMP files of zones or generators."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from battery_lab.common.validated_options import options
from battery_lab.market.file_market_base import LOCAL_PRICES, FileMarket, Name, TimeZone
from battery_lab.market.price_files import named_columns, read_file
from battery_lab.market.price_plausibility import Range
from battery_lab.market.row_selection import select_rows
from battery_lab.market.rows_with_source import row_error, to_numbers
from battery_lab.market.timestamps import parse_stamps

FORMATS = ("%m/%d/%Y %H:%M:%S", "%m/%d/%Y %H:%M")
QUARTER, HOUR_S = 15, 3600  # minutes, seconds
# A same-day file forecasts two and a half hours ahead, in steps of 15 minutes.
FORECASTS = 10
COLUMNS = {"text": ("Time Stamp",), "zone": ("Name",), "price": ("LBMP ($/MWHr)",)}


@options("market")
class NyisoMarket(FileMarket):
    """LBMP files, stamped on New York's local clock, which repeats an hour in autumn without a flag.

    A file that is downloaded on the day itself continues after its last real-time price, every 5 minutes, with
    forecasts of the Real-Time Commitment (RTC), every 15 minutes. These are left out, with a note: they are no settled
    prices.

    Attributes:
        zone: name of the zone or generator, for example ``N.Y.C.``; None uses the only one in the files.
        stamps: what a stamp marks: ``start`` or ``end`` of the interval; ``auto`` is ``start`` for hourly files
            (day-ahead, integrated) and ``end`` for the real-time files.
        off_grid: what to do with the rows that NYISO adds when it dispatches between two intervals (stamps such as
            13:52:18): ``refuse`` raises an error, ``drop`` ignores them and keeps the price of the regular interval.
    """

    time_zone: TimeZone
    zone: Name | None
    stamps: Literal["auto", "start", "end"]
    off_grid: Literal["refuse", "drop"]

    selectors: ClassVar[tuple[str, ...]] = ("zone",)
    interval_hint: ClassVar[str] = "Real-time files have 5 minutes, day-ahead files 60"

    def stamp_zone(self) -> str:
        """Return the local clock."""
        return self.time_zone

    def marks_end(self, interval_s: int) -> bool:
        return interval_s < HOUR_S if self.stamps == "auto" else self.stamps == "end"

    def settled_range(self, stamps: NDArray[np.datetime64]) -> Range:
        """Return the range of local prices."""
        return LOCAL_PRICES

    def read(self, file: Path) -> pd.DataFrame:
        frame = named_columns(file, read_file(file), COLUMNS, "NYISO LBMP files")
        if self.zone is not None:
            # A file has fifteen zones or hundreds of generators. The others need not be parsed.
            selected = select_rows(file, frame, "zone", self.zone)
            frame = selected if len(selected) else frame
        frame["stamp"] = parse_stamps(file, frame["row"], frame.pop("text"), FORMATS, "01/31/2024 00:05:00")
        frame["price"] = to_numbers(file, frame["row"], frame["price"], "LBMP ($/MWHr)")
        return self._without_forecasts(file, self._on_grid(file, frame))

    def _on_grid(self, file: Path, frame: pd.DataFrame) -> pd.DataFrame:
        grid_s = 60 * (self.interval_minutes or 5)
        off = (frame["stamp"].astype("int64") % grid_s != 0).to_numpy()
        if off.any() and self.off_grid == "refuse":
            i = int(np.argmax(off))
            problem = f"the stamp {frame['stamp'].iloc[i]} is not on a whole interval ({off.sum()} such rows)"
            remedy = "NYISO adds such rows when it dispatches between intervals: ignore them with market.off_grid=drop"
            raise row_error(file, int(frame["row"].iloc[i]), problem, remedy)
        return frame[~off]

    def _without_forecasts(self, file: Path, frame: pd.DataFrame) -> pd.DataFrame:
        if self.stamps == "start" or self.interval_minutes not in (None, 5):
            return frame
        minutes = np.unique(frame["stamp"].to_numpy("datetime64[m]")).astype(np.int64)
        settled = _count_settled(minutes)
        if settled == len(minutes):
            return frame
        first = np.datetime64(int(minutes[settled]), "m")
        is_forecast = (frame["stamp"] >= first).to_numpy()
        dropped, kept = frame[is_forecast], frame[~is_forecast].copy()
        rows, stamps = dropped["row"], dropped["stamp"]
        kept.attrs["notes"] = [
            f"{file.name}: rows {rows.iloc[0]} to {rows.iloc[-1]}, stamped {stamps.iloc[0]} to {stamps.iloc[-1]}, are "
            "15-minute forecasts (RTC) after the last real-time price, and were left out"
        ]
        return kept


def _count_settled(minutes: NDArray[np.int64]) -> int:
    """Return how many of a file's first stamps, in (N,) rising minutes, are not those of forecasts.

    Forecasts are 15 minutes apart and on quarters of an hour, after the last stamp that is not, or from the start. A
    stamp that follows five minutes after a price may be that of a price, and counts as settled.
    """
    steps, between = np.diff(minutes), np.flatnonzero(minutes % QUARTER != 0)
    if not len(between):
        all_forecast = 1 < len(minutes) <= FORECASTS and (steps == QUARTER).all()
        return 0 if all_forecast else len(minutes)
    first = int(between[-1]) + 1
    if first < len(minutes) and steps[first - 1] == 5:
        first += 1
    follow = first < len(minutes) and steps[first - 1] <= QUARTER and (steps[first:] == QUARTER).all()
    return first if follow else len(minutes)
