"""Nord Pool (northern Europe): day-ahead prices, one row per interval and a column per bidding zone."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar

import numpy as np
import pandas as pd

from battery_lab.common.validated_options import options
from battery_lab.market.cells.cell_numbers import to_numbers
from battery_lab.market.cells.clock_changes import without_missing_hour
from battery_lab.market.cells.hour_numbers import after_midnight
from battery_lab.market.cells.operator_stamps import parse_stamps
from battery_lab.market.file_formats.price_files import check_unique, named_columns, plain
from battery_lab.market.file_formats.report_text import PREAMBLE, read_below
from battery_lab.market.file_formats.row_selection import mixed_selection_error
from battery_lab.market.file_formats.rows_with_source import file_error, row_error
from battery_lab.market.readers.european_market import CENTRAL, HOUR_S, EuropeanMarket, clock_seconds
from battery_lab.market.readers.market_option_types import Name

DAYS, TIMES = ("%d-%m-%Y", "%d.%m.%Y", "%Y-%m-%d"), ("%d.%m.%Y %H:%M:%S", "%d.%m.%Y %H:%M", "%Y-%m-%d %H:%M:%S")
HOURLY = {"day": ("Date",), "hours": ("Hours",)}
PORTAL = {"begin": ("Delivery Start (CET)",), "end": ("Delivery End (CET)",)}
HOURS = r"^(\d\d)\s*[-\u2013]\s*\d\d$"
# A column of prices: a zone, in the portal's files with the currency.
ZONE = re.compile(r"^(?P<area>.+?)(?: Price)?(?: \((?P<currency>[A-Z]{3})(?:/MWh)?\))?$")
KIND = "Nord Pool's elspot-prices or AuctionPrice DayAhead files (CSV)"


@options("market")
class NordpoolMarket(EuropeanMarket):
    """Yearly Elspot files (Date and Hours) and files of the data portal (Delivery Start), on the clock of Brussels.

    Stamps mark the START of the interval. In spring, files may list the hour that the clock skips without prices, and
    in autumn an hour occurs twice: the order of the rows tells the passes apart. Rows state the
    length of their interval. The currency that a file states must be that of the market.

    Attributes:
        time_zone: clock of the calendar; None uses that of the bidding zone.
        area: the bidding zone, for example ``SE3`` or ``SYS``; None uses the only one in the files.
    """

    area: Name | None

    recognised_by: ClassVar[tuple[Mapping[str, Sequence[str]], ...]] = (HOURLY, PORTAL)
    usual_selection: ClassVar[tuple[str, ...]] = ("SE3", "NO1", "DK1", "FI")

    def read(self, file: Path) -> pd.DataFrame:
        """Return the prices of the chosen zone in a file."""
        table = read_below(file, _is_header, KIND)
        is_portal = "deliverystartcet" in map(plain, table.columns)
        times = PORTAL if is_portal else HOURLY
        frame = named_columns(file, table, times, KIND)
        zones = _zones(table, {plain(name) for names in times.values() for name in names})
        if self.area is None and len(zones) != 1:
            raise mixed_selection_error(file, 1, "area", list(zones))
        area = next((zone for zone in zones if self.area is None or zone.casefold() == self.area.casefold()), None)
        if area is None:
            return pd.DataFrame({"row": 1, "area": list(zones)})
        column, currency = zones[area]
        check_unique(file, table, column)
        if currency not in (None, self.currency):
            problem = f"the prices are in {currency}, and market.currency is {self.currency}"
            raise file_error(file, problem, f"Set market.currency={currency}, or use a file in {self.currency}")
        frame = frame.assign(area=area, price=to_numbers(file, frame["row"], table[column], column))
        frame = _portal_stamps(file, frame) if is_portal else _hour_stamps(file, frame)
        return without_missing_hour(file, frame, CENTRAL)


def _zones(table: pd.DataFrame, times: set[str]) -> dict[str, tuple[str, str | None]]:
    """Return the column of each bidding zone, and the currency that the file states for it."""
    title = re.search(r"\b([A-Z]{3})/MWh", " ".join(table.attrs[PREAMBLE]))
    zones = {}
    for name in table.columns:
        parts = ZONE.match(name.strip())
        if parts and plain(name) not in times:
            zones[parts["area"]] = (name, parts["currency"] or (title[1] if title else None))
    return zones


def _is_header(names: Sequence[str]) -> bool:
    return {"date", "hours"} <= set(names) or {"deliverystartcet", "deliveryendcet"} <= set(names)


def _hour_stamps(file: Path, frame: pd.DataFrame) -> pd.DataFrame:
    text = frame.pop("hours")
    hour = text.str.extract(HOURS)[0]
    if hour.isna().any():
        i = int(np.argmax(hour.isna()))
        problem = f"Hours is {text.iloc[i]!r}, not hours such as 00 - 01"
        raise row_error(file, int(frame["row"].iloc[i]), problem, "Correct the row, or download the file again")
    day = parse_stamps(file, frame["row"], frame.pop("day"), DAYS, "31-01-2019")
    return frame.assign(stamp=after_midnight(day, 60 * hour.astype("int64")), length=HOUR_S)


def _portal_stamps(file: Path, frame: pd.DataFrame) -> pd.DataFrame:
    begin, end = (parse_stamps(file, frame["row"], frame.pop(name), TIMES, "31.01.2025 00:00:00") for name in PORTAL)
    return frame.assign(stamp=begin, length=clock_seconds(begin, end))
