"""Elexon (Great Britain): system prices and market index prices of the Insights Solution."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from battery_lab.common.validated_options import options
from battery_lab.market.cells.cell_numbers import to_numbers
from battery_lab.market.cells.hour_numbers import after_midnight, whole_numbers
from battery_lab.market.cells.operator_stamps import parse_stamps
from battery_lab.market.file_formats.price_files import has_column, named_columns, read_file
from battery_lab.market.file_formats.report_text import check_last_row
from battery_lab.market.file_formats.row_selection import chosen_rows
from battery_lab.market.file_formats.rows_with_source import row_error
from battery_lab.market.intervals.price_plausibility import LOCAL_PRICES, Range
from battery_lab.market.readers.day_ahead_market import REAL_TIME
from battery_lab.market.readers.file_market_base import FileMarket
from battery_lab.market.readers.market_option_types import Name, TimeZone

LONDON = "Europe/London"
DAYS = ("%Y-%m-%d", "%d/%m/%Y", "%Y-%m-%dT%H:%M:%SZ", "%Y-%m-%dT%H:%M:%S")
LONGEST_DAY = 50  # periods: the day on which the clock repeats an hour
PERIOD_MINUTES = 30
COLUMNS: dict[str, Sequence[str]] = {"day": ("SettlementDate",), "period": ("SettlementPeriod",)}
SYSTEM: dict[str, Sequence[str]] = {
    "price": ("SystemSellPrice", "System Sell Price(£/MWh)"),
    "buy": ("SystemBuyPrice", "System Buy Price(£/MWh)"),
}
INDEX: dict[str, Sequence[str]] = {"price": ("Price",), "provider": ("DataProvider",)}
# All names of the columns that one kind of file has.
NAMES = {name: [*SYSTEM.get(name, ()), *INDEX.get(name, ())] for name in ("price", "buy", "provider")}
OPTIONAL: dict[str, Sequence[str]] = {"run": ("SettlementRunType", "RunType"), "created": ("CreatedDateTime",)}
# Settlement runs, each of which replaces those before it.
RUNS = ("II", "SF", "R1", "R2", "R3", "RF", "DF")
KIND = "Elexon's system prices or market index data (CSV)"


@options("market")
class ElexonMarket(FileMarket):
    """Half-hourly settlement periods, numbered 1 to 48 from midnight on London's clock.

    Days on which the clock changes have 46 or 50 periods, so that a number is unambiguous. Of several rows for a
    period, that of the latest settlement run, or the latest one created, is used.

    Attributes:
        product: ``system_price`` (the imbalance price) or ``market_index`` (of short-term trades); None uses the only
            one in the files.
        provider: of the market index: ``APXMIDP`` or ``N2EXMIDP``; None uses the only one in the files.
    """

    time_zone: TimeZone
    product: Literal["system_price", "market_index"] | None
    provider: Name | None

    selectors: ClassVar[tuple[str, ...]] = ("product", "provider")
    recognised_by: ClassVar[tuple[Mapping[str, Sequence[str]], ...]] = (COLUMNS | SYSTEM, COLUMNS | INDEX)
    usual_selection: ClassVar[tuple[str, ...]] = ("system_price", "APXMIDP")
    sort_rows: ClassVar[bool] = True

    def price_kind(self, files: Sequence[Path], selected: Mapping[str, str], interval_s: int) -> str:
        return REAL_TIME

    def settled_range(self, stamps: NDArray[np.datetime64]) -> Range:
        """Return the range of local prices."""
        return LOCAL_PRICES

    def stamp_zone(self) -> str:
        """Return UTC, to which ``read`` converts the periods."""
        return "UTC"

    def series_name(self, location: str) -> str:
        """Return the product, for example ``GB system price``."""
        return f"GB {location.replace('_', ' ')}"

    def read(self, file: Path) -> pd.DataFrame:
        """Return the rows of a file, stamped by the start of the period in UTC."""
        table = read_file(file, names=COLUMNS | OPTIONAL | NAMES)
        check_last_row(file, table)
        is_system = has_column(table, SYSTEM["buy"])
        names = COLUMNS | (SYSTEM if is_system else INDEX)
        optional = {name: columns for name, columns in OPTIONAL.items() if has_column(table, columns)}
        frame = named_columns(file, table, names | optional, KIND)
        frame["provider"] = frame.get("provider", "")
        frame["product"] = "system_price" if is_system else "market_index"
        frame = chosen_rows(file, frame)
        row = frame["row"]
        frame["stamp"] = _starts(file, row, frame.pop("day"), frame.pop("period"))
        frame["price"] = to_numbers(file, row, frame["price"], names["price"][0])
        if is_system:
            _check_single_price(file, frame, to_numbers(file, row, frame.pop("buy"), names["buy"][0]))
        frame["version"] = self._versions(file, frame)
        return frame.drop(columns=["run", "created"], errors="ignore")

    def _versions(self, file: Path, frame: pd.DataFrame) -> pd.Series:
        """Return (N,) numbers that rise with the settlement run and, within it, the time of creation."""
        run = pd.Series(0, frame.index)
        if "run" in frame:
            name = frame["run"].str.upper()
            unknown = ~name.isin(RUNS).to_numpy()
            if unknown.any():
                i = int(np.argmax(unknown))
                problem = f"the settlement run is {frame['run'].iloc[i]!r}, not one of {', '.join(RUNS)}"
                raise row_error(file, int(frame["row"].iloc[i]), problem, "Correct the row, or download the file again")
            run = name.map({run: i for i, run in enumerate(RUNS)})
        created = pd.Series(pd.NaT, frame.index)
        if "created" in frame:
            created = pd.to_datetime(frame["created"], format="ISO8601", errors="coerce", utc=True).dt.tz_localize(None)
        seconds = created.fillna(pd.Timestamp(0)).astype("datetime64[s]").astype("int64")
        return run * 10**11 + seconds


def _starts(file: Path, row: pd.Series, day: pd.Series, period: pd.Series) -> pd.Series:
    """Return the starts of settlement periods in UTC."""
    number = whole_numbers(file, row, period, "SettlementPeriod", LONGEST_DAY)
    date = parse_stamps(file, row, day, DAYS, "2024-01-31")
    has_time = (date != date.dt.normalize()).to_numpy()
    if has_time.any():
        i = int(np.argmax(has_time))
        problem = f"SettlementDate is {day.iloc[i]!r}, with a time of day: on which clock the date is, is not known"
        raise row_error(file, int(row.iloc[i]), problem, "Give the settlement date alone, like 2024-01-31")
    start = after_midnight(_midnight(date), PERIOD_MINUTES * (number - 1))
    beyond = (start >= _midnight(date + pd.Timedelta(days=1))).to_numpy()
    if beyond.any():
        i = int(np.argmax(beyond))
        problem = f"{date.iloc[i]:%Y-%m-%d} has no settlement period {number.iloc[i]}"
        raise row_error(file, int(row.iloc[i]), problem, "Correct the row, or download the file again")
    return start


def _midnight(date: pd.Series) -> pd.Series:
    """Return the beginning of days on London's clock in UTC."""
    return date.dt.tz_localize(LONDON).dt.tz_convert("UTC").dt.tz_localize(None)


def _check_single_price(file: Path, frame: pd.DataFrame, buy: NDArray[np.float64]) -> None:
    sell = frame["price"].to_numpy(np.float64)
    wrong = (sell != buy) & ~(np.isnan(sell) & np.isnan(buy))
    if wrong.any():
        i = int(np.argmax(wrong))
        problem = f"the sell price is {sell[i]:g} and the buy price {buy[i]:g}: they are one price since 2015-11-05"
        raise row_error(file, int(frame["row"].iloc[i]), problem, "Use files from that day on")
