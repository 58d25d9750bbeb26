"""CAISO's OASIS price files (California)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import pandas as pd

from battery_lab.market.file_rows import to_numbers
from battery_lab.market.price_files import has_column, named_columns, read_file
from battery_lab.market.reader import FileMarket
from battery_lab.market.timestamps import parse_stamps

FORMATS = ("%Y-%m-%dT%H:%M:%S%z", "%Y-%m-%d %H:%M:%S%z")
COLUMNS = {
    "text": ("INTERVALSTARTTIME_GMT", "INTERVAL_START_GMT"),
    "node": ("NODE", "NODE_ID"),
    "kind": ("LMP_TYPE",),
    "price": ("MW", "VALUE", "PRC"),
}


@dataclass(frozen=True, kw_only=True)
class CaisoMarket(FileMarket):
    """PRC_INTVL_LMP, PRC_LMP and PRC_RTPD_LMP files: stamped by the interval's START in GMT, price in MW, VALUE or PRC.

    OASIS lists the parts of a price below one another, or in files of their own; only LMP_TYPE LMP, the price itself,
    is taken. Rows are sorted by time, because OASIS promises no order and a GMT stamp means one time only.

    Attributes:
        time_zone: the clock of the calendar.
        node: the node, for instance ``TH_NP15_GEN-APND``; None takes the only one there is.
        market_run: the market that cleared the price, for instance ``RTM`` or ``DAM``; None takes the only one.
    """

    time_zone: str
    node: str | None
    market_run: str | None

    picks: ClassVar[tuple[str, ...]] = ("node", "market_run")
    rows_taken: ClassVar[str] = " with LMP_TYPE LMP"
    sort_rows: ClassVar[bool] = True

    def stamp_zone(self) -> str:
        """Return UTC."""
        return "UTC"

    def read(self, file: Path) -> pd.DataFrame:
        """Return a file's rows of LMP_TYPE LMP."""
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
