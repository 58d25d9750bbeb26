"""ISO-NE (New England): reports of locational prices, of C, H, D and T rows."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar

import numpy as np
import pandas as pd

from battery_lab.common.validated_options import options
from battery_lab.market.cells.cell_numbers import to_numbers
from battery_lab.market.cells.clock_changes import second_pass
from battery_lab.market.cells.hour_numbers import after_midnight, whole_numbers
from battery_lab.market.cells.operator_stamps import parse_stamps
from battery_lab.market.file_formats.price_files import has_column, named_columns
from battery_lab.market.file_formats.record_rows import read_trailed
from battery_lab.market.file_formats.report_text import PREAMBLE
from battery_lab.market.file_formats.row_selection import chosen_rows, select_rows
from battery_lab.market.file_formats.rows_with_source import file_error
from battery_lab.market.readers.market_option_types import Name
from battery_lab.market.readers.nodal_market import MarketRun, NodalMarket, NodeId

DAYS, TIMES = ("%m/%d/%Y", "%Y-%m-%d"), ("%Y-%m-%d %H:%M:%S", "%m/%d/%Y %H:%M:%S", "%m/%d/%Y %H:%M", "%Y-%m-%d %H:%M")
PRICE = {"price": ("Locational Marginal Price", "LMP")}
HOURLY = {"day": ("Date",), "hour": ("Hour Ending",)}
FIVE_MINUTES = {"text": ("Local Time",)}
NAME, NUMBER = ("Location Name", "Location"), ("Location ID",)
KIND = "ISO-NE's reports of locational prices: WW_DALMP_ISO, lmp_rt_final, lmp_rt_prelim or lmp_5min (CSV)"


@options("market")
class IsoneMarket(NodalMarket):
    """Day-ahead and real-time hours, and real-time 5 minutes, on New England's local clock.

    Hours are numbered 1 to 24 by their END; 02X is the second pass of the hour that the clock repeats in autumn. Stamps
    of 5 minutes mark the START, and the order of the rows tells the two passes apart. The trailer must count the rows.

    Attributes:
        node: name of the location, for example ``.H.INTERNAL_HUB``; None uses the only one in the files. Reports
            without names have the number in its place.
        node_id: number of the location, for example 4000; None uses the only one.
        market_run: ``day_ahead`` or ``real_time``; None uses the only one.
    """

    node: Name | None
    node_id: NodeId | None
    market_run: MarketRun | None

    selectors: ClassVar[tuple[str, ...]] = ("node", "node_id", "market_run")
    recognised_by: ClassVar[tuple[Mapping[str, Sequence[str]], ...]] = (
        PRICE | HOURLY | {"node": (*NAME, *NUMBER)},
        PRICE | FIVE_MINUTES | {"node": (*NAME, *NUMBER)},
    )
    usual_selection: ClassVar[tuple[str, ...]] = (".H.INTERNAL_HUB", "real_time")
    interval_hint: ClassVar[str] = "The reports are hourly, or have 5 minutes (lmp_5min)"

    def read(self, file: Path) -> pd.DataFrame:
        """Return the rows of a report, stamped by the start of the interval."""
        table = read_trailed(file, KIND)
        places = {"node": NAME, "node_id": NUMBER}
        places = {name: columns for name, columns in places.items() if has_column(table, columns)} or {"node": NAME}
        is_hourly = has_column(table, HOURLY["hour"])
        names = PRICE | places | (HOURLY if is_hourly else FIVE_MINUTES)
        frame = named_columns(file, table, names, KIND)
        frame["node_id"] = frame.get("node_id", "")
        frame["node"] = frame.get("node", frame["node_id"])
        title = " ".join(table.attrs[PREAMBLE]).casefold()
        frame["market_run"] = "day_ahead" if "day-ahead" in title or "day ahead" in title else "real_time"
        frame = chosen_rows(file, frame)
        row = frame["row"]
        frame["price"] = to_numbers(file, row, frame["price"], "the price")
        if is_hourly:
            day = parse_stamps(file, row, frame.pop("day"), DAYS, "01/31/2024")
            hour = frame.pop("hour").str.upper()
            number = whole_numbers(file, row, hour.str.removesuffix("X"), "Hour Ending", 24)
            frame["stamp"] = after_midnight(day, 60 * (number - 1))
            frame["repeated"] = hour.str.endswith("X").to_numpy(np.bool_)
            return frame
        text = frame.pop("text")
        if len(text) and not text.str.contains(" ").any():
            text = _report_day(file, table.attrs[PREAMBLE]) + " " + text
        frame["stamp"] = parse_stamps(file, row, text, TIMES, "2024-01-31 00:05:00")
        for field in self.selectors:
            frame = select_rows(file, frame, field, getattr(self, field))
        return frame.assign(repeated=second_pass(file, frame, self.time_zone))


def _report_day(file: Path, preamble: list[str]) -> str:
    """Return the day that a report is for, as its C rows state it."""
    days: set[str] = set(
        re.findall(r"\d\d/\d\d/\d{4}", next((line for line in preamble if "report for" in line.lower()), ""))
    )
    if len(days) != 1:
        problem = "the stamps are times of a day, and the C rows do not state for which day the report is"
        raise file_error(file, problem, 'Download the file again: it must have a row "C","Report for: 01/31/2024"')
    return days.pop()
