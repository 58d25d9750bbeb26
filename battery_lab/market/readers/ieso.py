"""IESO (Ontario): the hourly Ontario energy price (HOEP), and locational prices."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar

import pandas as pd

from battery_lab.common.validated_options import options
from battery_lab.market.cells.cell_numbers import to_numbers
from battery_lab.market.cells.hour_numbers import after_midnight, whole_numbers
from battery_lab.market.cells.operator_stamps import parse_stamps
from battery_lab.market.file_formats.price_files import has_column, named_columns
from battery_lab.market.file_formats.report_text import PREAMBLE, read_below
from battery_lab.market.file_formats.row_selection import chosen_rows
from battery_lab.market.file_formats.rows_with_source import file_error
from battery_lab.market.readers.market_option_types import Name
from battery_lab.market.readers.nodal_market import MarketRun, NodalMarket

EST = "Etc/GMT+5"
HOEP = {"day": ("Date",), "hour": ("Hour",), "price": ("HOEP",)}
LMP = {"hour": ("Delivery Hour",), "node": ("Pricing Location",), "price": ("LMP",)}
INTERVAL = ("Interval",)
INTERVALS_PER_HOUR = 12
PREDISPATCH = "predisp"  # in the names of files that have the columns of day-ahead ones
KIND = "IESO's PUB_PriceHOEPPredispOR, PUB_DAHourlyEnergyLMP or PUB_RealtimeEnergyLMP files (CSV)"


@options("market")
class IesoMarket(NodalMarket):
    """Yearly HOEP files, and files of locational prices of a day or hour.

    Hours are numbered 1 to 24 by their END, and intervals of 5 minutes 1 to 12 within the hour, in Eastern Standard
    Time all year. Files of locational prices state their day above the table, or in their name. The predispatch prices
    beside HOEP are forecasts, and are not read; files of predispatch prices, which their names tell, are errors.

    Attributes:
        node: the pricing location; None uses the only one in the files. ``HOEP`` in HOEP files.
        market_run: ``day_ahead`` (hourly locational prices) or ``real_time``; None uses the only one.
    """

    node: Name | None
    market_run: MarketRun | None

    selectors: ClassVar[tuple[str, ...]] = ("node", "market_run")
    recognised_by: ClassVar[tuple[Mapping[str, Sequence[str]], ...]] = (HOEP, LMP)
    usual_selection: ClassVar[tuple[str, ...]] = ("real_time",)
    interval_hint: ClassVar[str] = "HOEP and day-ahead files are hourly, real-time files have 5 minutes"
    sort_rows: ClassVar[bool] = True

    def stamp_zone(self) -> str:
        """Return Eastern Standard Time, which the files have all year."""
        return EST

    def read(self, file: Path) -> pd.DataFrame:
        """Return the rows of a file, stamped by the start of the interval."""
        table = read_below(file, _is_header, KIND)
        is_hoep = has_column(table, HOEP["price"])
        interval = {"interval": INTERVAL} if has_column(table, INTERVAL) else {}
        names = HOEP if is_hoep else LMP | interval
        frame = named_columns(file, table, names, KIND)
        if not is_hoep and PREDISPATCH in file.name.casefold():
            problem = "predispatch prices are forecasts, no settled prices"
            raise file_error(file, problem, f"market.path must name {KIND}")
        frame["node"] = frame.get("node", "HOEP")
        frame["market_run"] = "real_time" if is_hoep or interval else "day_ahead"
        frame = chosen_rows(file, frame)
        row = frame["row"]
        text = frame.pop("day") if is_hoep else pd.Series(_day(file, table.attrs[PREAMBLE]), row.index, dtype=str)
        minutes = 60 * (whole_numbers(file, row, frame.pop("hour"), "the hour", 24) - 1)
        if interval:
            minutes += 5 * (whole_numbers(file, row, frame.pop("interval"), "Interval", INTERVALS_PER_HOUR) - 1)
        frame["stamp"] = after_midnight(parse_stamps(file, row, text, ("%Y-%m-%d",), "2019-01-31"), minutes)
        # Prices above 999 have a thousands separator in some years, which the column shows.
        frame["price"] = to_numbers(file, row, frame["price"], "the price")
        return frame


def _is_header(names: Sequence[str]) -> bool:
    return {"date", "hour", "hoep"} <= set(names) or {"deliveryhour", "pricinglocation", "lmp"} <= set(names)


def _day(file: Path, preamble: Sequence[str]) -> str:
    """Return the day of a file of locational prices: ``CREATED AT ... FOR <day>`` above the table, or from the name."""
    for text in (" ".join(preamble).upper().rpartition(" FOR ")[2], file.name):
        day = re.search(r"(20\d\d)[-/]?(\d\d)[-/]?(\d\d)", text)
        if day:
            return "-".join(day.groups())
    problem = "neither the row above the table nor the name of the file states its day"
    raise file_error(file, problem, "Download the file again, or name it like PUB_DAHourlyEnergyLMP_20250601.csv")
