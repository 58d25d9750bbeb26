"""AEMO's aggregated price and demand files (Australia's National Electricity Market)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
import pandas as pd

from battery_lab.market.file_rows import complaint, to_numbers
from battery_lab.market.price_files import named_columns, read_file
from battery_lab.market.reader import FileMarket
from battery_lab.market.timestamps import parse_stamps

NEM_TIME = "Etc/GMT-10"
LOCAL_TIME = {
    "NSW1": "Australia/Sydney",
    "QLD1": "Australia/Brisbane",
    "SA1": "Australia/Adelaide",
    "TAS1": "Australia/Hobart",
    "VIC1": "Australia/Melbourne",
}
FORMATS = ("%Y/%m/%d %H:%M:%S", "%Y-%m-%d %H:%M:%S", "%Y/%m/%d %H:%M", "%Y-%m-%d %H:%M")
COLUMNS = {
    "region": ("REGION",),
    "text": ("SETTLEMENTDATE",),
    "demand_mw": ("TOTALDEMAND",),
    "price": ("RRP",),
    "kind": ("PERIODTYPE",),
}


@dataclass(frozen=True, kw_only=True)
class AemoMarket(FileMarket):
    """PRICE_AND_DEMAND files: one month and region each, stamped by the interval's END in UTC+10 all year.

    Only PERIODTYPE TRADE is taken. A row of another type is an error, not left out: these files have none, so the
    file is another one, and forecasts among prices would be a look ahead.

    Attributes:
        time_zone: the clock of the calendar; None takes the region's own.
        region: the region, for instance ``VIC1``; None takes the only one there is.
    """

    region: str | None

    picks: ClassVar[tuple[str, ...]] = ("region",)
    own_calendar: ClassVar[bool] = True
    interval_hint: ClassVar[str] = "AEMO's intervals are 30 minutes up to 2021-10-01 and 5 minutes after it"

    def stamp_zone(self) -> str:
        """Return NEM time: UTC+10, no daylight saving."""
        return NEM_TIME

    def stamps_end(self) -> bool:
        """Return True: a file's last row is 00:00:00 of the next month."""
        return True

    def calendar_zone(self, place: str) -> str:
        """Return the region's own clock, daylight saving included, unless the user says another."""
        return self.time_zone or LOCAL_TIME.get(place.upper(), NEM_TIME)

    def read(self, file: Path) -> pd.DataFrame:
        """Return a file's rows with ``demand_mw``."""
        frame = named_columns(file, read_file(file), COLUMNS, "AEMO PRICE_AND_DEMAND files")
        kind = frame.pop("kind")
        other = kind.str.upper() != "TRADE"
        if other.any():
            i = int(np.argmax(other))
            remedy = "Give PRICE_AND_DEMAND files only, or take such rows out"
            what = "a price that was not settled" if kind.iloc[i] else "a row that was cut off"
            problem = f"PERIODTYPE is {kind.iloc[i]!r}, not TRADE: {what}"
            raise complaint(file, int(frame["row"].iloc[i]), problem, remedy)
        frame["stamp"] = parse_stamps(file, frame["row"], frame.pop("text"), FORMATS, "2022/01/01 00:05:00")
        frame["price"] = to_numbers(file, frame["row"], frame["price"], "RRP")
        frame["demand_mw"] = to_numbers(file, frame["row"], frame["demand_mw"], "TOTALDEMAND")
        return frame
