"""Price tables: CSV, gzipped CSV or Parquet files with a time stamp, a price and further columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, ClassVar, Literal

import numpy as np
import pandas as pd
from pydantic import Field

from battery_lab.common.errors import require
from battery_lab.common.validated_options import Unit, options
from battery_lab.market.cell_numbers import to_numbers
from battery_lab.market.daily_publication import DailyPublication, TimeOfDayBefore
from battery_lab.market.file_market_base import FileMarket, TimeZone
from battery_lab.market.forecast_vintages import ForecastVintages
from battery_lab.market.price_files import CSV_SUFFIXES, HEADER, PARQUET_SUFFIXES, check_unique, plain, read_file
from battery_lab.market.row_selection import join_names
from battery_lab.market.rows_with_source import row_error
from battery_lab.market.timestamps import check_format, check_stamps, parse_stamps
from battery_lab.market.vintage_files import read_vintages, vintage_files

# The end of a date looks like an offset. A true offset follows a time of day.
OFFSET = r"(?:[Zz]|[T ]\d.*[+-]\d\d(?::?\d\d)?)$"
EXAMPLE = "2024-01-31 00:05:00, 2024-01-31T00:05Z or 2024-01-31T00:05+01:00"
RESERVED = ("file", "row", "stamp", "price")


@options("market")
class TableMarket(FileMarket):
    """A table with one row per interval.

    Stamps with a UTC offset are used as they are. Stamps without an offset are on the clock of ``stamp_time_zone``. If
    that clock repeats an hour, the order of the rows tells the two passes apart.

    Attributes:
        name: name of the market; None uses the name of the file or folder.
        timestamp: the file's column of time stamps.
        timestamp_format: their strftime format; None for ISO 8601.
        stamps: whether a stamp marks the ``start`` or the ``end`` of the interval.
        stamp_time_zone: clock of stamps without an offset; None uses ``time_zone``.
        price: the file's column of prices, currency per MWh.
        columns: the lab's name with its unit (``demand_mw``) -> the file's column, for further numbers.
        lead_h: hours before the start of the interval at which a column, or ``price``, is published, by the lab's name.
        published: time of the day before at which a column, or ``price``, is published for a whole day.
        forecasts: name -> ``path``, ``issued``, ``start``, ``value`` and ``quantity`` of the files of a forecast.
    """

    time_zone: TimeZone
    name: str | None
    timestamp: str
    timestamp_format: str | None
    stamps: Literal["start", "end"]
    stamp_time_zone: TimeZone | None
    price: str
    columns: Mapping[str, str]
    lead_h: Mapping[str, Annotated[float, Field(ge=0), Unit("hours")]]
    published: Mapping[str, TimeOfDayBefore]
    forecasts: Mapping[str, Mapping[str, str]]

    suffixes: ClassVar[tuple[str, ...]] = CSV_SUFFIXES + PARQUET_SUFFIXES

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.timestamp_format is not None:
            check_format("market.timestamp_format", self.timestamp_format)
        for name, column in self.columns.items():
            require(bool(column), f"market.columns.{name}", "must name a column of the files", column)
            usable = name.isidentifier() and name not in RESERVED
            require(usable, "market.columns", f"must have names of letters, digits and _ other than {RESERVED}", name)
        rule = f"must name price or columns of market.columns, which has {list(self.columns)}"
        for field, rules in {"market.lead_h": self.lead_h, "market.published": self.published}.items():
            for name in rules:
                require(name in ("price", *self.columns), field, rule, name)
        for name in self.published:
            rule = "must name what market.lead_h does not name: one rule says when it is published"
            require(name not in self.lead_h, "market.published", rule, name)
        vintage_files(self.forecasts)
        for name in self.forecasts:
            rule = "must have names of letters, digits and _ that are no columns"
            usable = name.isidentifier() and name not in (*RESERVED, *self.columns)
            require(usable, "market.forecasts", rule, name)

    def stamp_zone(self) -> str:
        """Return the clock of stamps without a UTC offset."""
        return self.stamp_time_zone or self.time_zone

    def calendar_zone(self, location: str) -> str:
        return self.time_zone

    def stamps_end(self) -> bool:
        return self.stamps == "end"

    def series_name(self, location: str) -> str:
        return self.name or Path(self.path).name.split(".")[0].strip("*?") or "table"

    def leads(self) -> dict[str, float]:
        return dict(self.lead_h)

    def publications(
        self, files: Sequence[Path], selected: Mapping[str, str], interval_s: int
    ) -> dict[str, DailyPublication]:
        return {name: DailyPublication.parse(text, self.time_zone) for name, text in self.published.items()}

    def forecast_files(self) -> Sequence[Path]:
        return [file for source in vintage_files(self.forecasts).values() for file in source.files()]

    def vintages(self, selected: Mapping[str, str]) -> dict[str, ForecastVintages]:
        """Return the forecasts of ``forecasts``."""
        zone, ends = self.stamp_zone(), self.stamps_end()
        return {
            name: read_vintages(name, source, self._column, self._stamps, zone, stamps_end=ends)
            for name, source in vintage_files(self.forecasts).items()
        }

    def read(self, file: Path) -> pd.DataFrame:
        """Return the rows of a file, with the further columns."""
        table = read_file(file)
        row = pd.Series(table.index, index=table.index)
        frame = pd.DataFrame({"row": row})
        frame["stamp"] = self._stamps(file, row, self._column(file, table, "market.timestamp", self.timestamp))
        for name, column in {"price": self.price, **self.columns}.items():
            field = "market.price" if name == "price" else f"market.columns.{name}"
            frame[name] = to_numbers(file, row, self._column(file, table, field, column), column)
        frame.attrs["notes"] = [
            f"{file.name}: the column {column!r} is used, and not {other!r}, which has nearly the same name"
            for column in (self.timestamp, self.price, *self.columns.values())
            for other in table.attrs[HEADER]
            if other not in (self.timestamp, self.price, *self.columns.values()) and plain(other) == plain(column) != ""
        ]
        return frame

    def _column(self, file: Path, table: pd.DataFrame, field: str, name: str) -> pd.Series:
        if name not in table.columns:
            problem = f"there is no column {name!r}, only {join_names(list(table.columns))}"
            raise row_error(file, 1, problem, f"Set the name of the column with {field}=...")
        check_unique(file, table, name)
        return table[name]

    def _stamps(self, file: Path, row: pd.Series, cells: pd.Series) -> pd.Series:
        if isinstance(cells.dtype, pd.DatetimeTZDtype) or pd.api.types.is_datetime64_dtype(cells):
            zone = getattr(cells.dt, "tz", None)
            times = cells if zone is None else cells.dt.tz_convert("UTC").dt.tz_localize(None)
            check_stamps(file, row, cells, times, EXAMPLE)
            times = times.astype("datetime64[s]")
            return times if zone is None else times.dt.tz_localize("UTC")
        text = cells.astype(str).str.strip()
        has_offset = self._has_offset(file, row, text)
        times = parse_stamps(file, row, text, [self.timestamp_format or "ISO8601"], EXAMPLE, utc=has_offset)
        return times.dt.tz_localize("UTC") if has_offset else times

    def _has_offset(self, file: Path, row: pd.Series, text: pd.Series) -> bool:
        """Return whether the stamps have a UTC offset."""
        if self.timestamp_format is not None:
            return "%z" in self.timestamp_format.lower()
        offset = text.str.contains(OFFSET).to_numpy(np.bool_)
        if offset.any() and not offset.all():
            i = int(np.argmax(offset != offset[0]))
            problem = f"the stamp {text.iloc[i]!r} has {'a' if offset[i] else 'no'} UTC offset, unlike those before it"
            raise row_error(file, int(row.iloc[i]), problem, "Give all stamps an offset, or none of them")
        return bool(offset.all()) and len(offset) > 0
