"""Price tables: CSV, Parquet or spreadsheet files with a time stamp, a price and further columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, ClassVar, Literal

import pandas as pd
from pydantic import Field

from battery_lab.common.errors import require
from battery_lab.common.validated_options import Rule, Unit, options
from battery_lab.market.cells.cell_numbers import to_numbers
from battery_lab.market.cells.hour_numbers import with_hours
from battery_lab.market.cells.stamp_forms import parse_any
from battery_lab.market.cells.timestamps import check_format, check_stamps
from battery_lab.market.file_formats.price_files import read_file
from battery_lab.market.file_formats.reading_context import current_reading
from battery_lab.market.file_formats.table_columns import (
    HEADER,
    as_text,
    check_unique,
    find_column,
    no_column_error,
    plain,
)
from battery_lab.market.forecasts.daily_publication import DailyPublication, TimeOfDayBefore
from battery_lab.market.forecasts.forecast_vintages import ForecastVintages
from battery_lab.market.readers.market_option_types import Name, TimeZone
from battery_lab.market.readers.vintage_files import VintageFiles, read_vintages
from battery_lab.market.readers.vintage_market_base import RESERVED, TABLE, Source, VintageMarket

EXAMPLE = "2024-01-31 00:05:00, 2024-01-31T00:05Z or 2024-01-31T00:05+01:00"
StampColumns = Annotated[tuple[str, str], Rule("the columns of the date and of the hour")]
# The names of an index without a name, in a Parquet file and in a CSV file.
UNNAMED = {"__index_level_0__", "Unnamed: 0"}


@options("market")
class TableMarket(VintageMarket):
    """A table with one row per interval.

    Stamps with a UTC offset are used as they are. Stamps without an offset are on the clock of ``stamp_time_zone``. If
    that clock repeats an hour, the order of the rows tells the two passes apart.

    Attributes:
        name: name of the market; None uses the name of the file or folder.
        timestamp: the file's column of time stamps, or its columns of the date and of the hour.
        timestamp_format: their strftime format; None finds the form: ISO 8601, seconds or milliseconds since 1970, or
            day, month and year in the order that all stamps of the file fit.
        stamps: whether a stamp marks the ``start`` or the ``end`` of the interval; of ranges, the end that is used.
        stamp_time_zone: clock of stamps without an offset; None uses ``time_zone``.
        price: the file's column of prices, currency per MWh.
        columns: the lab's name with its unit (``demand_mw``) -> the file's column, for further numbers.
        lead_h: hours before the start of the interval at which a column, or ``price``, is published, by the lab's name.
        published: time of the day before at which a column, or ``price``, is published for a whole day.
    """

    time_zone: TimeZone
    name: str | None
    timestamp: Name | StampColumns
    timestamp_format: str | None
    stamps: Literal["start", "end"]
    stamp_time_zone: TimeZone | None
    price: str
    columns: Mapping[str, str]
    lead_h: Mapping[str, Annotated[float, Field(ge=0), Unit("hours")]]
    published: Mapping[str, TimeOfDayBefore]

    formats: ClassVar[tuple[str, ...]] = (TABLE, *VintageMarket.formats)
    small_files_together: ClassVar[bool] = True

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

    def column_names(self) -> Sequence[str]:
        return tuple(self.columns)

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

    def read_forecast(self, name: str, source: Source, selected: Mapping[str, str]) -> ForecastVintages:
        if not isinstance(source, VintageFiles):
            return super().read_forecast(name, source, selected)

        def stamps(file: Path, row: pd.Series, cells: pd.Series) -> pd.Series:
            return self._stamps(file, row, [cells])

        return read_vintages(name, source, self._column, stamps, self.stamp_zone(), stamps_end=self.stamps_end())

    def read(self, file: Path) -> pd.DataFrame:
        """Return the rows of a file, with the further columns."""
        names = [*self._stamp_columns, self.price, *self.columns.values()]
        table = read_file(file, names)
        row = pd.Series(table.index, index=table.index)
        stamps = [self._column(file, table, "market.timestamp", name) for name in self._stamp_columns]
        frame = pd.DataFrame({"row": row, "stamp": self._stamps(file, row, stamps)})
        for name, column in {"price": self.price, **self.columns}.items():
            field = "market.price" if name == "price" else f"market.columns.{name}"
            frame[name] = to_numbers(file, row, self._column(file, table, field, column), column)
        header = table.attrs[HEADER]
        frame.attrs["notes"] = [
            f"{file.name}: the column {column!r} is used, and not {other!r}, which has nearly the same name"
            for column in names
            for other in header
            if column in header and other not in names and plain(other) == plain(column) != ""
        ]
        return frame

    @property
    def _stamp_columns(self) -> tuple[str, ...]:
        return (self.timestamp,) if isinstance(self.timestamp, str) else self.timestamp

    def _column(self, file: Path, table: pd.DataFrame, field: str, name: str) -> pd.Series:
        names = list(map(str, table.columns))
        if (column := find_column(names, name)) is None and field == "market.timestamp" and UNNAMED & set(names):
            column = next(iter(UNNAMED & set(names)))
            current_reading().note(file, "its index, which has no name, is the time stamp")
        if column is None:
            raise no_column_error(file, table, [repr(name)], f"Set the name of the column with {field}=...")
        if column in UNNAMED:
            return table[column]
        check_unique(file, table, column)
        if column != name:
            check_unique(file, table, column, plain)
            current_reading().note(file, f"the column {column!r} is used for {name!r}")
        return table[column]

    def _stamps(self, file: Path, row: pd.Series, columns: Sequence[pd.Series]) -> pd.Series:
        cells, field = columns[0], "market.timestamp_format"
        if isinstance(cells.dtype, pd.DatetimeTZDtype) or pd.api.types.is_datetime64_dtype(cells):
            zone = getattr(cells.dt, "tz", None)
            times = cells if zone is None else cells.dt.tz_convert("UTC").dt.tz_localize(None)
            check_stamps(file, row, cells, times, EXAMPLE)
            times = times.astype("datetime64[s]")
            days = times if zone is None else times.dt.tz_localize("UTC")
        else:
            text = as_text(cells).str.replace("\xa0", " ")
            days = parse_any(file, row, text, self.timestamp_format, self.stamps, field, EXAMPLE)
        if len(columns) == 1:
            return days
        hours = as_text(columns[1]).str.replace("\xa0", " ")
        return with_hours(file, row, days, hours, self.stamps).astype(days.dtype)
