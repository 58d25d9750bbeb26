"""NYISO (New York): LBMP files of zones or generators."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar, Literal

import numpy as np
import pandas as pd

from battery_lab.common.validated_options import options
from battery_lab.market.file_market_base import FileMarket, Name, TimeZone
from battery_lab.market.price_files import named_columns, read_file
from battery_lab.market.row_selection import select_rows
from battery_lab.market.rows_with_source import row_error, to_numbers
from battery_lab.market.timestamps import parse_stamps

FORMATS = ("%m/%d/%Y %H:%M:%S", "%m/%d/%Y %H:%M")
COLUMNS = {"text": ("Time Stamp",), "zone": ("Name",), "price": ("LBMP ($/MWHr)",)}


@options("market")
class NyisoMarket(FileMarket):
    """LBMP files, stamped on New York's local clock, which repeats an hour in autumn without a flag.

    Attributes:
        zone: name of the zone or generator, for example ``N.Y.C.``; None uses the only one in the files.
        stamps: ``end`` for the real-time 5-minute files, ``start`` for the hourly files (day-ahead, integrated).
        off_grid: what to do with the rows that NYISO adds when it dispatches between two intervals (stamps such as
            13:52:18): ``refuse`` raises an error, ``drop`` ignores them and keeps the price of the regular interval.
    """

    time_zone: TimeZone
    zone: Name | None
    stamps: Literal["start", "end"]
    off_grid: Literal["refuse", "drop"]

    selectors: ClassVar[tuple[str, ...]] = ("zone",)
    interval_hint: ClassVar[str] = "Real-time files have 5 minutes, day-ahead files 60"

    def stamp_zone(self) -> str:
        """Return the local clock."""
        return self.time_zone

    def stamps_end(self) -> bool:
        return self.stamps == "end"

    def read(self, file: Path) -> pd.DataFrame:
        frame = named_columns(file, read_file(file), COLUMNS, "NYISO LBMP files")
        if self.zone is not None:
            # A file has fifteen zones or hundreds of generators. The others need not be parsed.
            selected = select_rows(file, frame, "zone", self.zone)
            frame = selected if len(selected) else frame
        frame["stamp"] = parse_stamps(file, frame["row"], frame.pop("text"), FORMATS, "01/31/2024 00:05:00")
        frame["price"] = to_numbers(file, frame["row"], frame["price"], "LBMP ($/MWHr)")
        return self._on_grid(file, frame)

    def _on_grid(self, file: Path, frame: pd.DataFrame) -> pd.DataFrame:
        grid_s = 60 * (self.interval_minutes or 5)
        off = (frame["stamp"].astype("int64") % grid_s != 0).to_numpy()
        if off.any() and self.off_grid == "refuse":
            i = int(np.argmax(off))
            problem = f"the stamp {frame['stamp'].iloc[i]} is not on a whole interval ({off.sum()} such rows)"
            remedy = "NYISO adds such rows when it dispatches between intervals: ignore them with market.off_grid=drop"
            raise row_error(file, int(frame["row"].iloc[i]), problem, remedy)
        return frame[~off]
