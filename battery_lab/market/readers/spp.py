"""SPP (south-central United States): locational prices by settlement location."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar

import pandas as pd

from battery_lab.common.validated_options import options
from battery_lab.market.cells.cell_numbers import to_numbers
from battery_lab.market.cells.operator_stamps import parse_stamps
from battery_lab.market.file_formats.price_files import has_column, named_columns, read_file
from battery_lab.market.file_formats.report_text import check_last_row
from battery_lab.market.file_formats.row_selection import chosen_rows
from battery_lab.market.readers.market_option_types import Name
from battery_lab.market.readers.nodal_market import MarketRun, NodalMarket

FORMATS = ("%m/%d/%Y %H:%M:%S", "%m/%d/%Y %H:%M", "%Y-%m-%d %H:%M:%S")
COLUMNS = {
    "text": ("GMTIntervalEnd", "GMT Interval", "GMT Interval End"),
    "location": ("Settlement Location", "Settlement Location Name"),
    "price": ("LMP",),
}
AREA = ("BAA",)
# Beginning of a file's name -> its prices.
RUNS = {"DA-LMP": "day_ahead", "RTBM-LMP": "real_time"}
KIND = "SPP's files DA-LMP-SL or RTBM-LMP-SL (CSV)"


@options("market")
class SppMarket(NodalMarket):
    """Day-ahead hours and real-time 5 minutes, stamped by the END of the interval in GMT (GMTIntervalEnd).

    Attributes:
        location: settlement location, for example ``SPPNORTH_HUB``; None uses the only one in the files.
        area: balancing area (BAA) of files since 2026; files without that column are of ``SPP``. None uses the only
            one.
        market_run: ``day_ahead`` or ``real_time``, as the name of a file tells; None uses the only one.
    """

    location: Name | None
    area: Name | None
    market_run: MarketRun | None

    selectors: ClassVar[tuple[str, ...]] = ("location", "area", "market_run")
    recognised_by: ClassVar[tuple[Mapping[str, Sequence[str]], ...]] = (COLUMNS,)
    usual_selection: ClassVar[tuple[str, ...]] = ("SPPNORTH_HUB", "SPP", "real_time")
    interval_hint: ClassVar[str] = "Real-time files have 5 minutes, day-ahead files 60"
    sort_rows: ClassVar[bool] = True

    def stamp_zone(self) -> str:
        return "UTC"

    def stamps_end(self) -> bool:
        return True

    def read(self, file: Path) -> pd.DataFrame:
        """Return the rows of a file."""
        table = read_file(file, names=COLUMNS | {"area": AREA})
        check_last_row(file, table)
        names = COLUMNS | ({"area": AREA} if has_column(table, AREA) else {})
        frame = named_columns(file, table, names, KIND)
        run = next((run for start, run in RUNS.items() if file.name.upper().startswith(start)), "")
        frame = chosen_rows(file, frame.assign(area=frame.get("area", "SPP"), market_run=run))
        frame["stamp"] = parse_stamps(file, frame["row"], frame.pop("text"), FORMATS, "01/31/2024 06:05:00")
        frame["price"] = to_numbers(file, frame["row"], frame["price"], "LMP")
        return frame
