"""CAISO (California): OASIS price files."""

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
from battery_lab.market.file_formats.price_files import has_column, named_columns, read_file
from battery_lab.market.forecasts.daily_publication import DailyPublication, TimeOfDayBefore, price_rule
from battery_lab.market.intervals.price_plausibility import LOCAL_PRICES, Range
from battery_lab.market.readers.file_market_base import FileMarket
from battery_lab.market.readers.market_option_types import Name, TimeZone

FORMATS = ("%Y-%m-%dT%H:%M:%S%z", "%Y-%m-%d %H:%M:%S%z")
COLUMNS = {
    "text": ("INTERVALSTARTTIME_GMT", "INTERVAL_START_GMT"),
    "node": ("NODE", "NODE_ID"),
    "kind": ("LMP_TYPE",),
    "price": ("MW", "VALUE", "PRC"),
}


@options("market")
class CaisoMarket(FileMarket):
    """PRC_INTVL_LMP, PRC_LMP and PRC_RTPD_LMP files: stamped by the START of the interval in GMT.

    The price is in the column MW, VALUE or PRC. OASIS lists the components of a price in separate rows or files; only
    LMP_TYPE LMP, the price itself, is used. Rows are sorted by time: OASIS does not promise an order, and a GMT stamp
    is unambiguous.

    Attributes:
        time_zone: clock of the calendar.
        node: the node, for example ``TH_NP15_GEN-APND``; None uses the only one in the files.
        market_run: the market that cleared the price, for example ``RTM`` or ``DAM``; None uses the only one.
        day_ahead_published: time of the day before at which prices of market run ``DAM`` are published; None: they are
            not known before their interval.
    """

    time_zone: TimeZone
    node: Name | None
    market_run: Name | None
    day_ahead_published: TimeOfDayBefore | None

    small_files_together: ClassVar[bool] = True
    selectors: ClassVar[tuple[str, ...]] = ("node", "market_run")
    recognised_by: ClassVar[tuple[Mapping[str, Sequence[str]], ...]] = (COLUMNS,)
    usual_selection: ClassVar[tuple[str, ...]] = ("TH_NP15_GEN-APND", "TH_SP15_GEN-APND", "RTM", "RTPD", "DAM")
    row_kind: ClassVar[str] = " with LMP_TYPE LMP"
    sort_rows: ClassVar[bool] = True

    def price_kind(self, file: Path, interval_s: int) -> str | None:
        """Return the product, by ``market_run`` or by the name of the file."""
        words = (self.market_run or file.name).upper().replace("-", "_").split("_")
        return "day-ahead" if "DAM" in words else "real-time" if {"RTM", "RTPD", "RTD"} & set(words) else None

    def settled_range(self, stamps: NDArray[np.datetime64]) -> Range:
        """Return the range of local prices."""
        return LOCAL_PRICES

    def stamp_zone(self) -> str:
        return "UTC"

    def publications(
        self, files: Sequence[Path], selected: Mapping[str, str], interval_s: int
    ) -> dict[str, DailyPublication]:
        """Return the rule of the price if it is that of the day-ahead market."""
        return price_rule(self.day_ahead_published, self.time_zone) if selected["market_run"].upper() == "DAM" else {}

    def read(self, file: Path) -> pd.DataFrame:
        """Return the rows of LMP_TYPE LMP in a file."""
        table = read_file(file)
        run = ("MARKET_RUN_ID",)
        names = COLUMNS | ({"market_run": run} if has_column(table, run) else {})
        frame = named_columns(file, table, names, "CAISO OASIS files of locational prices (CSV)")
        frame = frame.assign(market_run=frame.get("market_run", ""))
        kinds = frame.pop("kind").str.upper()
        frame = frame[kinds == "LMP"]
        text = frame.pop("text")
        frame["stamp"] = parse_stamps(file, frame["row"], text, FORMATS, "2025-03-01T08:00:00-00:00", utc=True)
        frame["price"] = to_numbers(file, frame["row"], frame["price"], "the price")
        return frame
