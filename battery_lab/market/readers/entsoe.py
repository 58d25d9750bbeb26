"""ENTSO-E (Europe): day-ahead prices of the Transparency Platform."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, ClassVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import AfterValidator, Field

from battery_lab.common.validated_options import Highest, Int, options
from battery_lab.market.cells.cell_numbers import to_numbers
from battery_lab.market.cells.clock_changes import (
    in_repeated_hour,
    local_stamps,
    second_pass,
    utc_stamps,
    without_missing_hour,
)
from battery_lab.market.cells.operator_stamps import parse_stamps
from battery_lab.market.file_formats.price_files import has_column, named_columns, plain
from battery_lab.market.file_formats.report_text import read_below
from battery_lab.market.file_formats.row_selection import chosen_rows, select_rows
from battery_lab.market.file_formats.rows_with_source import row_error
from battery_lab.market.readers.european_market import CENTRAL, EuropeanMarket, clock_seconds
from battery_lab.market.readers.market_option_types import Name

# Clock in the header of the column of stamps -> IANA name.
CLOCKS = {
    "UTC": "UTC",
    "CET/CEST": CENTRAL,
    "EET/EEST": "Europe/Helsinki",
    "WET/WEST": "Europe/Lisbon",
    "GMT/BST": "Europe/London",
}
SUMMER = ("CEST", "EEST", "WEST", "BST")
FORMATS = ("%d/%m/%Y %H:%M:%S", "%d.%m.%Y %H:%M", "%d/%m/%Y %H:%M", "%d.%m.%Y %H:%M:%S")
EXAMPLE = "31/01/2025 00:00:00 - 31/01/2025 01:00:00"
LIBRARY_FORMATS = ("%Y-%m-%d %H:%M:%S", "%Y-%m-%d %H:%M:%S.%f")
LENGTHS = {"PT15M": 900, "PT30M": 1800, "PT60M": 3600, "PT1H": 3600}  # seconds
LIBRARY = {
    "text": ("DateTime(UTC)", "DateTime"),
    "length": ("ResolutionCode",),
    "area": ("MapCode", "AreaMapCode"),
    "contract": ("ContractType",),
    "sequence": ("Sequence",),
    "price": ("Price[Currency/MWh]", "Price"),
    "unit": ("Currency",),
    "updated": ("UpdateTime(UTC)", "UpdateTime"),
}
# The columns by which exports of the website are recognised.
WEBSITE = {
    "times": [f"{word} ({clock})" for word in ("MTU", "Time") for clock in CLOCKS],
    "price": [
        f"Day-ahead Price {unit}" for unit in ("(EUR/MWh)", "[EUR/MWh]", "[Currency/MWh]", "(GBP/MWh)", "[GBP/MWh]", "")
    ],
}
MISSING = ("n/e", "-")
# "start - end", each with the name of the clock behind it where the website adds that.
INTERVAL = r"^(?P<begin>.*?\d)(?: \((?P<clock>[A-Z]+)\))? - (?P<end>.*?\d)(?: \([A-Z]+\))?$"
KIND = "ENTSO-E's day-ahead prices: an export of the website, or a file EnergyPrices_12.1.D of the file library (CSV)"


def _plain_area(area: str) -> str:
    return area.strip().removeprefix("BZN|").replace("_", "-")


@options("market")
class EntsoeMarket(EuropeanMarket):
    """Exports of the website (MTU, "start - end") and files of the file library (DateTime in UTC).

    Stamps mark the START of the interval. The clock of the website's files stands in their header. In spring, they list
    the hour that the clock skips without a price, and in autumn an hour occurs twice: the name of the clock behind the
    stamp, or else the order of the rows, tells the passes apart. Rows state the length of their interval. The currency
    of the file must be that of the market. Of several rows for an interval in the file
    library, the one that was updated last is used.

    Attributes:
        time_zone: clock of the calendar; None uses that of the bidding zone.
        area: the bidding zone, for example ``DE-LU``; None uses the only one in the files.
        sequence: number of the auction, where a zone has several for one interval; rows without a number count to each.
            None uses the only one.
    """

    area: Annotated[Name, AfterValidator(_plain_area)] | None
    sequence: Annotated[Int, Field(ge=1), Highest(100)] | None

    recognised_by: ClassVar[tuple[Mapping[str, Sequence[str]], ...]] = (WEBSITE, LIBRARY)
    usual_selection: ClassVar[tuple[str, ...]] = ("DE-LU", "FR", "NL")
    sort_rows: ClassVar[bool] = True

    def read(self, file: Path) -> pd.DataFrame:
        """Return the day-ahead prices of the chosen zone in a file."""
        table = read_below(file, _is_header, KIND)
        is_library = has_column(table, LIBRARY["length"])
        frame = named_columns(file, table, LIBRARY, KIND) if is_library else _website_columns(file, table)
        frame = frame.assign(area=frame["area"].map(_plain_area))
        # The sequence and the unit are those of one area.
        chosen = select_rows(file, chosen_rows(file, frame), "area", self.area)
        price = chosen["price"].where(~chosen["price"].isin(MISSING), "")
        chosen["price"] = to_numbers(file, chosen["row"], price, "the price")
        _check_unit(file, chosen, chosen.pop("unit"), self.currency)
        frame = self._library_rows(file, chosen) if is_library else self._website_rows(file, chosen)
        # Messages then have the stamps that most exports of the website have.
        frame["stamp"], frame["repeated"] = local_stamps(frame["stamp"], CENTRAL)
        return frame.drop(columns="sequence")

    def _library_rows(self, file: Path, frame: pd.DataFrame) -> pd.DataFrame:
        frame = frame[frame.pop("contract").str.casefold() == "day-ahead"].copy()
        row = frame["row"]
        stamps = parse_stamps(file, row, frame.pop("text"), LIBRARY_FORMATS, "2025-01-31 00:00:00")
        updated = pd.to_datetime(frame.pop("updated"), format="ISO8601", errors="coerce").fillna(pd.Timestamp(0))
        length = frame["length"].map(LENGTHS)
        if length.isna().any():
            i = int(np.argmax(length.isna()))
            problem = f"ResolutionCode is {frame['length'].iloc[i]!r}, not one of {', '.join(LENGTHS)}"
            raise row_error(file, int(row.iloc[i]), problem, "Remove such rows")
        version = updated.astype("datetime64[s]").astype("int64")
        return self._one_auction(file, frame.assign(stamp=stamps, length=length, version=version))

    def _website_rows(self, file: Path, frame: pd.DataFrame) -> pd.DataFrame:
        zone = frame.attrs["zone"]
        parts = frame.pop("text").str.extract(INTERVAL)
        begin, end = (
            parse_stamps(file, frame["row"], parts[name].fillna(""), FORMATS, EXAMPLE) for name in ("begin", "end")
        )
        frame = frame.assign(stamp=begin, length=clock_seconds(begin, end), clock=parts["clock"].fillna(""))
        frame = self._one_auction(file, without_missing_hour(file, frame, zone))
        return frame.assign(stamp=_in_utc(file, frame, frame.pop("clock"), zone))

    def _one_auction(self, file: Path, frame: pd.DataFrame) -> pd.DataFrame:
        """Return the rows of the chosen auction.

        Raises:
            DataError: none is chosen, and two auctions have a price for one interval.
        """
        number = frame["sequence"].str.extract(r"(\d+)$")[0].fillna("")
        frame = frame.assign(sequence=number)
        if self.sequence is not None:
            return frame[number.isin(["", str(self.sequence)])]
        both = (frame.groupby("stamp")["sequence"].transform("nunique") > 1).to_numpy()
        if both.any():
            i = int(np.argmax(both))
            names = sorted(set(number[frame["stamp"] == frame["stamp"].iloc[i]]))
            problem = f"{frame['stamp'].iloc[i]} has prices of several auctions, Sequence {' and '.join(names)}"
            raise row_error(file, int(frame["row"].iloc[i]), problem, "Choose one with market.sequence=1")
        return frame


def _is_price(name: str) -> bool:
    return name.startswith("dayaheadprice")


def _is_header(names: Sequence[str]) -> bool:
    is_website = any(name.startswith(("mtu", "time")) for name in names) and any(map(_is_price, names))
    return is_website or {"resolutioncode", "contracttype"} <= set(names)


def _website_columns(file: Path, table: pd.DataFrame) -> pd.DataFrame:
    """Return the columns of an export of the website as text; ``attrs["zone"]`` is the IANA name of its clock."""
    headers = {name.strip(): name for name in table.columns}
    times = next(name for name in headers if name.startswith(("MTU", "Time")))
    prices = next(name for name in headers if _is_price(plain(name)))
    frame = named_columns(file, table, {"text": (times,), "price": (prices,)}, KIND)
    for name, column in {"area": "Area", "sequence": "Sequence", "unit": "Currency"}.items():
        frame[name] = table[headers[column]].str.strip() if column in headers else ""
    if "Area" not in headers:
        frame["area"] = next((name for name in headers if name.startswith("BZN|")), "")
    stated = re.search(r"[\[(]([A-Z]{3})/MWh", prices)
    frame["unit"] = frame["unit"].where(frame["unit"] != "", stated[1] if stated else "")
    clock = re.search(r"\((.+)\)$", times)
    frame.attrs["zone"] = CLOCKS.get(clock[1] if clock else "")
    if frame.attrs["zone"] is None:
        problem = f"the clock of {times!r} is none of {', '.join(CLOCKS)}"
        raise row_error(file, 1, problem, "Export the prices in CET/CEST or UTC")
    return frame


def _check_unit(file: Path, frame: pd.DataFrame, unit: pd.Series, currency: str) -> None:
    wrong = (~unit.isin(["", currency])).to_numpy() & frame["price"].notna().to_numpy()
    if wrong.any():
        i = int(np.argmax(wrong))
        problem = f"the price is in {unit.iloc[i]}, and market.currency is {currency}"
        remedy = f"Set market.currency={unit.iloc[i]}, or use other files"
        raise row_error(file, int(frame["row"].iloc[i]), problem, remedy)


def _in_utc(file: Path, frame: pd.DataFrame, clock: pd.Series, zone: str) -> NDArray[np.datetime64]:
    """Return (N,) the local stamps in UTC; ``clock`` has the name of the clock behind a stamp, or nothing."""
    if zone == "UTC":
        return np.asarray(frame["stamp"], "datetime64[s]")
    second = second_pass(file, frame, zone)
    is_standard = in_repeated_hour(frame["stamp"], zone) & ~clock.isin(SUMMER).to_numpy()
    return utc_stamps(frame["stamp"], zone, np.where(clock != "", is_standard, second))
