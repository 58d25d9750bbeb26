"""Nord Pool (northern Europe): day-ahead prices, one row per interval and a column per bidding zone."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from battery_lab.common.validated_options import options
from battery_lab.market.cells.cell_numbers import to_numbers
from battery_lab.market.cells.clock_changes import without_missing_hour
from battery_lab.market.cells.hour_numbers import after_midnight
from battery_lab.market.cells.timestamps import parse_stamps
from battery_lab.market.file_formats.price_files import check_unique, named_columns, plain
from battery_lab.market.file_formats.report_text import PREAMBLE, SEPARATOR, decimal_points, read_below
from battery_lab.market.file_formats.row_selection import mixed_selection_error
from battery_lab.market.file_formats.rows_with_source import row_error
from battery_lab.market.intervals.price_plausibility import Range
from battery_lab.market.intervals.row_lengths import clock_minutes, repeat_long_rows
from battery_lab.market.readers.european_areas import CENTRAL, PRICES, local_clock
from battery_lab.market.readers.file_market_base import FileMarket
from battery_lab.market.readers.market_option_types import Name

DAYS, TIMES = ("%d-%m-%Y", "%d.%m.%Y", "%Y-%m-%d"), ("%d.%m.%Y %H:%M:%S", "%d.%m.%Y %H:%M", "%Y-%m-%d %H:%M:%S")
HOURLY = {"day": ("Date",), "hours": ("Hours",)}
PORTAL = {"begin": ("Delivery Start (CET)",), "end": ("Delivery End (CET)",)}
HOURS = r"^(\d\d)\s*[-\u2013]\s*\d\d$"
# A column of prices: a zone, in the portal's files with the currency.
ZONE = re.compile(r"^(?P<area>.+?)(?: Price)?(?: \((?P<currency>[A-Z]{3})(?:/MWh)?\))?$")
KIND = "Nord Pool's elspot-prices or AuctionPrice DayAhead files (CSV)"


@options("market")
class NordpoolMarket(FileMarket):
    """Yearly Elspot files (Date and Hours) and files of the data portal (Delivery Start), on the clock of Brussels.

    Stamps mark the START of the interval. In spring, files may list the hour that the clock skips without prices, and
    in autumn an hour stands twice: the order of the rows tells the passes apart. Rows of an hour among rows of quarters
    are repeated in their quarters. The currency that a file states must be that of the market.

    Attributes:
        time_zone: clock of the calendar; None uses that of the bidding zone.
        area: the bidding zone, for example ``SE3`` or ``SYS``; None uses the only one in the files.
    """

    area: Name | None

    selectors: ClassVar[tuple[str, ...]] = ("area",)
    recognised_by: ClassVar[tuple[Mapping[str, Sequence[str]], ...]] = (HOURLY, PORTAL)
    usual_selection: ClassVar[tuple[str, ...]] = ("SE3", "NO1", "DK1", "FI")
    # When day-ahead prices are published, on the day before.
    day_ahead_published: ClassVar[str] = "12:45 Europe/Brussels"
    interval_hint: ClassVar[str] = (
        "The market changed from hours to quarters on 2025-10-01: market.interval_minutes=15 repeats hours in their "
        "quarters"
    )

    def price_kind(self, file: Path, interval_s: int) -> str:
        return "day-ahead"

    def settled_range(self, stamps: NDArray[np.datetime64]) -> Range | None:
        """Return the range of European prices in EUR; that in other currencies is not known."""
        return PRICES if self.currency == "EUR" else None

    def stamp_zone(self) -> str:
        """Return Central European time, which all zones' files have."""
        return CENTRAL

    def calendar_zone(self, location: str) -> str:
        """Return the zone's local clock, unless ``time_zone`` is set."""
        return self.time_zone or local_clock(location)

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
            raise row_error(file, 1, problem, f"Set market.currency={currency}, or use a file in {self.currency}")
        cells = decimal_points(file, frame["row"], table[column].str.strip(), table.attrs[SEPARATOR])
        frame = frame.assign(area=area, price=to_numbers(file, frame["row"], cells, column))
        frame = _portal_stamps(file, frame) if is_portal else _hour_stamps(file, frame)
        frame = without_missing_hour(file, frame, CENTRAL)
        frame, notes = repeat_long_rows(file, frame, self.interval_minutes)
        frame.attrs["notes"] = notes
        return frame


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
    return frame.assign(stamp=after_midnight(day, 60 * hour.astype("int64")), length=60)


def _portal_stamps(file: Path, frame: pd.DataFrame) -> pd.DataFrame:
    begin, end = (parse_stamps(file, frame["row"], frame.pop(name), TIMES, "31.01.2025 00:00:00") for name in PORTAL)
    return frame.assign(stamp=begin, length=clock_minutes(begin, end))
