"""Any table of prices: CSV, gzipped CSV or Parquet with a time stamp, a price and further columns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
import pandas as pd

from battery_lab.common.errors import require, require_choice
from battery_lab.market.file_rows import complaint, listed, to_numbers
from battery_lab.market.price_files import CSV_SUFFIXES, PARQUET_SUFFIXES, read_file
from battery_lab.market.reader import FileMarket, require_zone
from battery_lab.market.timestamps import check_stamps, parse_stamps

# A date alone ends like an offset; an offset comes after a time of day.
OFFSET = r"(?:[Zz]|[T ]\d.*[+-]\d\d(?::?\d\d)?)$"
EXAMPLE = "2024-01-31 00:05:00, 2024-01-31T00:05Z or 2024-01-31T00:05+01:00"
OWN = ("file", "row", "stamp", "price")


@dataclass(frozen=True, kw_only=True)
class TableMarket(FileMarket):
    """A table with one row an interval.

    Stamps with a UTC offset are taken as they are. Stamps without one are on the clock of ``stamp_zone``; where that
    clock repeats an hour, the order of the rows tells the passes apart.

    Attributes:
        name: name of the market; None takes the file's or folder's.
        timestamp: the file's column of stamps.
        timestamp_format: their form as strftime writes it; None for ISO 8601.
        stamps: whether a stamp is the interval's ``start`` or ``end``.
        stamp_time_zone: the clock of stamps without an offset; None takes ``time_zone``.
        price: the file's column of prices, currency per MWh.
        columns: the lab's name (with unit, ``demand_mw``) -> the file's column, for further numbers.
        lead_h: for columns published ahead: how many hours before the interval's start they are known.
    """

    time_zone: str
    name: str | None
    timestamp: str
    timestamp_format: str | None
    stamps: str
    stamp_time_zone: str | None
    price: str
    columns: Mapping[str, str]
    lead_h: Mapping[str, float]

    suffixes: ClassVar[tuple[str, ...]] = CSV_SUFFIXES + PARQUET_SUFFIXES

    def __post_init__(self) -> None:
        super().__post_init__()
        require_choice("market.stamps", self.stamps, ("start", "end"))
        if self.stamp_time_zone is not None:
            require_zone("market.stamp_time_zone", self.stamp_time_zone)
        for name in self.columns:
            usable = name.isidentifier() and name not in OWN
            require(usable, "market.columns", f"must have names of letters, digits and _ other than {OWN}", name)
        for name, hours in self.lead_h.items():
            rule = f"must name columns of market.columns, which has {list(self.columns)}"
            require(name in self.columns, "market.lead_h", rule, name)
            require(0 <= hours < np.inf, f"market.lead_h.{name}", "must be 0 hours or more", hours)

    def stamp_zone(self) -> str:
        """Return the clock of stamps without an offset."""
        return self.stamp_time_zone or self.time_zone

    def calendar_zone(self, place: str) -> str:
        """Return the clock that people live by."""
        return self.time_zone

    def stamps_end(self) -> bool:
        """Return whether a stamp is an interval's end."""
        return self.stamps == "end"

    def series_name(self, place: str) -> str:
        """Return the market's name."""
        return self.name or Path(self.path).name.split(".")[0].strip("*?") or "table"

    def leads(self) -> dict[str, float]:
        """Return how many hours ahead each column that is published ahead is known."""
        return {name: float(hours) for name, hours in self.lead_h.items()}

    def read(self, file: Path) -> pd.DataFrame:
        """Return a file's rows with the further columns."""
        table = read_file(file)
        row = pd.Series(table.index, index=table.index)
        frame = pd.DataFrame({"row": row})
        frame["stamp"] = self._stamps(file, row, self._column(file, table, "market.timestamp", self.timestamp))
        for name, theirs in {"price": self.price, **self.columns}.items():
            field = "market.price" if name == "price" else f"market.columns.{name}"
            frame[name] = to_numbers(file, row, self._column(file, table, field, theirs), theirs)
        return frame

    def _column(self, file: Path, table: pd.DataFrame, field: str, name: str) -> pd.Series:
        if name not in table.columns:
            problem = f"there is no column {name!r}, only {listed(list(table.columns))}"
            raise complaint(file, 1, problem, f"Say which one it is with {field}=...")
        return table[name]

    def _stamps(self, file: Path, row: pd.Series, cells: pd.Series) -> pd.Series:
        if isinstance(cells.dtype, pd.DatetimeTZDtype) or pd.api.types.is_datetime64_dtype(cells):
            zone = getattr(cells.dt, "tz", None)
            times = cells if zone is None else cells.dt.tz_convert("UTC").dt.tz_localize(None)
            check_stamps(file, row, cells, times, EXAMPLE)
            times = times.astype("datetime64[s]")
            return times if zone is None else times.dt.tz_localize("UTC")
        text = cells.astype(str).str.strip()
        known = self._known_offset(file, row, text)
        times = parse_stamps(file, row, text, [self.timestamp_format or "ISO8601"], EXAMPLE, utc=known)
        return times.dt.tz_localize("UTC") if known else times

    def _known_offset(self, file: Path, row: pd.Series, text: pd.Series) -> bool:
        """Return whether the stamps have a UTC offset."""
        if self.timestamp_format is not None:
            return "%z" in self.timestamp_format.lower()
        offset = text.str.contains(OFFSET).to_numpy(np.bool_)
        if offset.any() and not offset.all():
            i = int(np.argmax(offset != offset[0]))
            problem = f"the stamp {text.iloc[i]!r} has {'a' if offset[i] else 'no'} UTC offset, those before it differ"
            raise complaint(file, int(row.iloc[i]), problem, "Give all stamps an offset, or none")
        return bool(offset.all()) and len(offset) > 0
