"""CAISO (California): OASIS price files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar

import pandas as pd

from battery_lab.common.validated_options import options
from battery_lab.market.cells.cell_numbers import to_numbers
from battery_lab.market.cells.operator_stamps import parse_stamps
from battery_lab.market.file_formats.price_files import has_column, named_columns, read_file
from battery_lab.market.readers.day_ahead_market import DAY_AHEAD, REAL_TIME
from battery_lab.market.readers.market_option_types import Name
from battery_lab.market.readers.nodal_market import NodalMarket

FORMATS = ("%Y-%m-%dT%H:%M:%S%z", "%Y-%m-%d %H:%M:%S%z")
COLUMNS = {
    "text": ("INTERVALSTARTTIME_GMT", "INTERVAL_START_GMT"),
    "node": ("NODE", "NODE_ID"),
    "kind": ("LMP_TYPE",),
    "price": ("MW", "VALUE", "PRC"),
}
RUN = ("MARKET_RUN_ID",)


@options("market")
class CaisoMarket(NodalMarket):
    """PRC_INTVL_LMP, PRC_LMP and PRC_RTPD_LMP files: stamped by the START of the interval in GMT.

    The price is in the column MW, VALUE or PRC. OASIS lists the components of a price in separate rows or files; only
    LMP_TYPE LMP, the price itself, is used. Rows are sorted by time: OASIS does not promise an order, and a GMT stamp
    is unambiguous.

    Attributes:
        time_zone: clock of the calendar.
        node: the node, for example ``TH_NP15_GEN-APND``; None uses the only one in the files.
        market_run: the market that cleared the price, for example ``RTM`` or ``DAM``; None uses the only one.
    """

    node: Name | None
    market_run: Name | None

    small_files_together: ClassVar[bool] = True
    selectors: ClassVar[tuple[str, ...]] = ("node", "market_run")
    recognised_by: ClassVar[tuple[Mapping[str, Sequence[str]], ...]] = (COLUMNS,)
    usual_selection: ClassVar[tuple[str, ...]] = ("TH_NP15_GEN-APND", "TH_SP15_GEN-APND", "RTM", "RTPD", "DAM")
    row_kind: ClassVar[str] = " with LMP_TYPE LMP"
    sort_rows: ClassVar[bool] = True

    def price_kind(self, files: Sequence[Path], selected: Mapping[str, str], interval_s: int) -> str | None:
        """Return the kind of prices, by the market run or by the names of all files."""
        names = [run] if (run := selected.get("market_run")) else [file.name for file in files]
        words = [set(name.upper().replace("-", "_").split("_")) for name in names]
        if all("DAM" in of_name for of_name in words):
            return DAY_AHEAD
        return REAL_TIME if all({"RTM", "RTPD", "RTD"} & of_name for of_name in words) else None

    def stamp_zone(self) -> str:
        return "UTC"

    def read(self, file: Path) -> pd.DataFrame:
        """Return the rows of LMP_TYPE LMP in a file."""
        table = read_file(file, names=COLUMNS | {"market_run": RUN})
        names = COLUMNS | ({"market_run": RUN} if has_column(table, RUN) else {})
        frame = named_columns(file, table, names, "CAISO OASIS files of locational prices (CSV)")
        frame = frame.assign(market_run=frame.get("market_run", ""))
        kinds = frame.pop("kind").str.upper()
        frame = frame[kinds == "LMP"]
        text = frame.pop("text")
        frame["stamp"] = parse_stamps(file, frame["row"], text, FORMATS, "2025-03-01T08:00:00-00:00", utc=True)
        frame["price"] = to_numbers(file, frame["row"], frame["price"], "the price")
        return frame
