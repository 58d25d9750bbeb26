"""AEMO (Australia's National Electricity Market): aggregated price and demand files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from battery_lab.common.validated_options import options
from battery_lab.market.cells.cell_numbers import to_numbers
from battery_lab.market.cells.timestamps import parse_stamps
from battery_lab.market.file_formats.price_files import named_columns, read_file
from battery_lab.market.file_formats.rows_with_source import row_error
from battery_lab.market.intervals.price_plausibility import Range
from battery_lab.market.readers.aemo_vintages import FORMATS
from battery_lab.market.readers.market_option_types import Name
from battery_lab.market.readers.vintage_market_base import VintageMarket

NEM_TIME = "Etc/GMT-10"
LOCAL_TIME = {
    "NSW1": "Australia/Sydney",
    "QLD1": "Australia/Brisbane",
    "SA1": "Australia/Adelaide",
    "TAS1": "Australia/Hobart",
    "VIC1": "Australia/Melbourne",
}
COLUMNS = {
    "region": ("REGION",),
    "text": ("SETTLEMENTDATE",),
    "demand_mw": ("TOTALDEMAND",),
    "price": ("RRP",),
    "kind": ("PERIODTYPE",),
}


# AUD per MWh. AEMC, schedules of reliability settings: the market floor price, and the market price cap from each date.
FLOOR = -1_000.0
ROUNDING = 0.015  # files hold prices at a limit that are a cent beyond it
CAPS = {
    "1998-12-01": 5_000.0,
    "2002-04-01": 10_000.0,
    "2010-07-01": 12_500.0,
    "2012-07-01": 12_900.0,
    "2013-07-01": 13_100.0,
    "2014-07-01": 13_500.0,
    "2015-07-01": 13_800.0,
    "2016-07-01": 14_000.0,
    "2017-07-01": 14_200.0,
    "2018-07-01": 14_500.0,
    "2019-07-01": 14_700.0,
    "2020-07-01": 15_000.0,
    "2021-07-01": 15_100.0,
    "2022-07-01": 15_500.0,
    "2023-07-01": 16_600.0,
    "2024-07-01": 17_500.0,
    "2025-07-01": 20_300.0,
    "2026-07-01": 40_600.0,  # not known yet: twice the last one
}


def floor_and_cap(stamps: NDArray[np.datetime64]) -> Range:
    """Return the market's floor and (N,) its cap at UTC stamps: no regional price is beyond them."""
    dates, caps = np.array(list(CAPS), "datetime64[s]"), np.array(list(CAPS.values()))
    nem_time = stamps + np.timedelta64(10, "h")
    cap = caps[np.maximum(np.searchsorted(dates, nem_time, "right") - 1, 0)]
    return FLOOR - ROUNDING, cap + ROUNDING


@options("market")
class AemoMarket(VintageMarket):
    """PRICE_AND_DEMAND files: one month and region each, stamped by the END of the interval in UTC+10 all year.

    All rows must have PERIODTYPE TRADE. Any other type is an error: these files have no such rows, so the file is of
    another kind, and forecasts among prices would be look-ahead.

    Attributes:
        time_zone: clock of the calendar; None uses the region's local clock.
        region: the region, for example ``VIC1``; None uses the only one in the files.
    """

    region: Name | None

    further_columns: ClassVar[tuple[str, ...]] = ("demand_mw",)
    small_files_together: ClassVar[bool] = True
    selectors: ClassVar[tuple[str, ...]] = ("region",)
    recognised_by: ClassVar[tuple[Mapping[str, Sequence[str]], ...]] = (COLUMNS,)
    interval_hint: ClassVar[str] = "AEMO's intervals are 30 minutes until 2021-10-01 and 5 minutes after it"

    def stamp_zone(self) -> str:
        """Return NEM time: UTC+10 without daylight saving."""
        return NEM_TIME

    def stamps_end(self) -> bool:
        """Return True: the last row of a file is 00:00:00 of the next month."""
        return True

    def calendar_zone(self, location: str) -> str:
        """Return the region's local clock, with daylight saving, unless ``time_zone`` is set."""
        return self.time_zone or LOCAL_TIME.get(location.upper(), NEM_TIME)

    def price_kind(self, file: Path, interval_s: int) -> str:
        return "real-time"

    def settled_range(self, stamps: NDArray[np.datetime64]) -> Range:
        """Return the market's floor and its cap of that year."""
        return floor_and_cap(stamps)

    def read(self, file: Path) -> pd.DataFrame:
        """Return the rows of a file, with ``demand_mw``."""
        frame = named_columns(file, read_file(file), COLUMNS, "AEMO PRICE_AND_DEMAND files")
        kind = frame.pop("kind")
        other = kind.str.upper() != "TRADE"
        if other.any():
            i = int(np.argmax(other))
            remedy = "Use PRICE_AND_DEMAND files only, or remove such rows"
            meaning = "a price that was not settled" if kind.iloc[i] else "an incomplete row"
            problem = f"PERIODTYPE is {kind.iloc[i]!r}, not TRADE: {meaning}"
            raise row_error(file, int(frame["row"].iloc[i]), problem, remedy)
        frame["stamp"] = parse_stamps(file, frame["row"], frame.pop("text"), FORMATS, "2022/01/01 00:05:00")
        frame["price"] = to_numbers(file, frame["row"], frame["price"], "RRP")
        frame["demand_mw"] = to_numbers(file, frame["row"], frame["demand_mw"], "TOTALDEMAND")
        return frame
