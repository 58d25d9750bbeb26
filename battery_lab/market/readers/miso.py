"""MISO (central United States): market reports of locational prices, one row per node and a column per hour."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar

import pandas as pd

from battery_lab.common.validated_options import options
from battery_lab.market.cells.cell_numbers import to_numbers
from battery_lab.market.cells.hour_numbers import after_midnight
from battery_lab.market.cells.operator_stamps import parse_stamps
from battery_lab.market.file_formats.price_files import has_column, named_columns
from battery_lab.market.file_formats.report_text import PREAMBLE, read_below
from battery_lab.market.file_formats.row_selection import chosen_rows
from battery_lab.market.file_formats.rows_with_source import file_error
from battery_lab.market.readers.market_option_types import Name
from battery_lab.market.readers.nodal_market import MarketRun, NodalMarket

EST = "Etc/GMT+5"
DAYS = ("%m/%d/%Y", "%Y-%m-%d", "%Y%m%d")
HOURS = {f"he{hour}": (f"HE {hour}",) for hour in range(1, 25)}
COLUMNS = {"node": ("Node",), "kind": ("Value",)} | HOURS
DAY = ("MARKET_DAY", "Market Day")
KIND = "MISO's da_expost_lmp, da_exante_lmp, rt_lmp_final or rt_lmp_prelim reports (CSV)"


@options("market")
class MisoMarket(NodalMarket):
    """Daily reports of hourly prices: 24 columns, numbered by the END of the hour in Eastern Standard Time all year.

    A report states its day above the table and in its name, which must agree. The components of a price are in separate
    rows; only those of Value LMP, the price itself, are used.

    Attributes:
        node: for example ``INDIANA.HUB``; None uses the only one in the files.
        market_run: ``day_ahead`` or ``real_time``; None uses the only one.
    """

    node: Name | None
    market_run: MarketRun | None

    selectors: ClassVar[tuple[str, ...]] = ("node", "market_run")
    recognised_by: ClassVar[tuple[Mapping[str, Sequence[str]], ...]] = (COLUMNS,)
    usual_selection: ClassVar[tuple[str, ...]] = ("INDIANA.HUB", "real_time")
    row_kind: ClassVar[str] = " with Value LMP"
    sort_rows: ClassVar[bool] = True

    def stamp_zone(self) -> str:
        """Return Eastern Standard Time, which the reports have all year."""
        return EST

    def read(self, file: Path) -> pd.DataFrame:
        """Return the LMP rows of a report, one for each hour, stamped by its start."""
        table = read_below(file, _is_header, KIND)
        has_day = has_column(table, DAY)
        frame = named_columns(file, table, COLUMNS | ({"day": DAY} if has_day else {}), KIND)
        frame = frame[frame.pop("kind").str.upper() == "LMP"]
        title = " ".join([*table.attrs[PREAMBLE], file.name.replace("_", " ")]).casefold()
        is_ahead = re.search(r"\bday.ahead\b|\bda\b", title) is not None
        frame = chosen_rows(file, frame.assign(market_run="day_ahead" if is_ahead else "real_time"))
        if not has_day:
            frame["day"] = _day(file, table.attrs[PREAMBLE])
        frame["day"] = parse_stamps(file, frame["row"], frame["day"], DAYS, "01/31/2024")
        hours = frame.melt([name for name in frame.columns if name not in HOURS], list(HOURS), "hour", "price")
        number = hours.pop("hour").str.removeprefix("he").astype("int64")
        hours["stamp"] = after_midnight(hours.pop("day"), 60 * (number - 1))
        hours["price"] = to_numbers(file, hours["row"], hours["price"], "the price")
        return hours.sort_values(["row", "stamp"], ignore_index=True)


def _is_header(names: Sequence[str]) -> bool:
    return {"node", "value", "he1", "he24"} <= set(names)


def _day(file: Path, preamble: Sequence[str]) -> str:
    """Return the day of a report, which stands above its table and begins its name."""
    above = re.search(r"\b(\d\d?)/(\d\d?)/(20\d\d)\b", " ".join(preamble))
    named = re.match(r"(20\d\d)(\d\d)(\d\d)", file.name)
    days = [f"{int(above[1]):02d}/{int(above[2]):02d}/{above[3]}"] if above else []
    days += [f"{named[2]}/{named[3]}/{named[1]}"] if named else []
    if not days or days[0] != days[-1]:
        found = f"is for {days[0]} by its title and for {days[1]} by its name" if days else "does not state its day"
        remedy = "Name the file as MISO does, like 20240131_da_expost_lmp.csv, or download it again"
        raise file_error(file, f"the report {found}", remedy)
    return days[0]
