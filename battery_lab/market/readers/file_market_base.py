"""File markets: the base class of all markets that are read from files, from the files to a price series."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import fields, replace
from pathlib import Path
from typing import Annotated, ClassVar, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import Field

from battery_lab.common.errors import require
from battery_lab.common.validated_options import Highest, Unit, options
from battery_lab.market.file_formats.archives import close_archives
from battery_lab.market.file_formats.file_search import TABLE_SUFFIXES, find_files, tables_in
from battery_lab.market.file_formats.reading_context import Decimal, Reading, reading_context
from battery_lab.market.file_formats.row_selection import WhereValue, where_texts
from battery_lab.market.file_formats.rows_with_source import LENGTH, Rows
from battery_lab.market.file_formats.spreadsheets import close_workbook
from battery_lab.market.forecasts.daily_publication import DailyPublication
from battery_lab.market.forecasts.forecast_vintages import ForecastVintages
from battery_lab.market.intervals.interval_grid import Grid, find_interval, put_on_grid
from battery_lab.market.intervals.price_plausibility import Range, check_prices, unit_note, usual_range
from battery_lab.market.intervals.resample import REMEDY as RESAMPLE_REMEDY
from battery_lab.market.intervals.resample import Resample, Resampled, leads_of_means, resampled
from battery_lab.market.intervals.row_order import in_order
from battery_lab.market.intervals.row_versions import with_version_numbers
from battery_lab.market.intervals.rows_in_utc import rows_in_utc
from battery_lab.market.market_series import MarketSeries
from battery_lab.market.readers.joined_files import FileJoin
from battery_lab.market.readers.market_option_types import Currency, Name, PriceLimit, PriceRange, TimeZone
from battery_lab.market.series_cache import cache_key, cached


@options("market")
class FileMarket(ABC):
    """A market that is read from files. A subclass per operator parses the rows of one file.

    Attributes:
        path: a file, a folder or a glob.
        time_zone: IANA name of the local clock.
        currency: ISO 4217 code of the prices.
        price_floor: lowest price of a bid in this market, currency per MWh; None if it is not known.
        price_cap: highest price of a bid; None if it is not known.
        price_range: lowest and highest price that a file may hold, currency per MWh; others are errors. None: the
            range that the operator's limits, or the prices themselves, make plausible.
        interval_minutes: length of an interval, minutes; None detects it.
        gaps: ``refuse``, ``fill``, ``split`` or ``fill_or_split``, as in
            :func:`battery_lab.market.intervals.interval_grid.put_on_grid`.
        max_gap_h: the longest gap that is filled, hours.
        decimal: the decimal sign of all numbers, ``comma`` or ``point``; None: each column decides.
        where: column of the files -> the value, or the values, that rows must have there.
        newest_by: column of the files of which the largest value is the newest one, for files with superseded rows.
        resample: how intervals of several lengths are joined, as in
            :func:`battery_lab.market.intervals.resample.resampled`; None refuses them.
        cache: folder for parsed series; None disables the cache.
    """

    path: str
    time_zone: TimeZone | None
    currency: Currency
    price_floor: PriceLimit | None
    price_cap: PriceLimit | None
    price_range: PriceRange | None
    interval_minutes: Literal[5, 6, 10, 12, 15, 20, 30, 60] | None
    gaps: Literal["refuse", "fill", "split", "fill_or_split"]
    max_gap_h: Annotated[float, Field(gt=0), Highest(87_840), Unit("hours")]
    decimal: Decimal | None
    where: Mapping[str, WhereValue | list[WhereValue]]
    newest_by: Name | None
    resample: Resample | None
    cache: str | None

    # Options that select the rows of one region, zone or node.
    selectors: ClassVar[tuple[str, ...]] = ()
    suffixes: ClassVar[tuple[str, ...]] = TABLE_SUFFIXES
    # Which rows are used, for error messages.
    row_kind: ClassVar[str] = ""
    interval_hint: ClassVar[str] = ""
    # Whether rows may come in any order, because their stamps are unambiguous.
    sort_rows: ClassVar[bool] = False
    # Whether `read` reads each row independently of the others, so that thousands of small files may be read together.
    small_files_together: ClassVar[bool] = False
    # What `battery-lab data check` recognises files by: for each kind of file, the possible names of each column.
    recognised_by: ClassVar[tuple[Mapping[str, Sequence[str]], ...]] = ()
    # The selection that it proposes where files hold several, the first one that they hold.
    usual_selection: ClassVar[tuple[str, ...]] = ()

    def __post_init__(self) -> None:
        if self.price_floor is not None and self.price_cap is not None:
            rule = f"must be at least 1 above market.price_floor = {self.price_floor:g}"
            require(self.price_cap >= self.price_floor + 1, "market.price_cap", rule, self.price_cap)
        if self.price_range is not None:
            rule = "must be the lowest and the highest price in rising order"
            require(self.price_range[0] < self.price_range[1], "market.price_range", rule, list(self.price_range))
        for name, value in self.where.items():
            require(value != [], f"market.where.{name}", "must be a value or a list of values", value)

    def load(self) -> MarketSeries:
        """Return the whole series, from the cache if files, options and code have not changed.

        Raises:
            DataError: the files cannot be used; the message names the file, the row and the remedy.
        """
        copies = list[Path]()
        files = find_files(self.path, self.suffixes, copies=copies)
        choices = {field.name: getattr(self, field.name) for field in fields(self) if field.name != "cache"}
        key = cache_key(type(self), choices, [*files, *self.forecast_files()])
        try:
            return cached(self.cache, key, lambda: self._parse(files, copies))
        finally:
            close_archives()
            close_workbook()

    @contextmanager
    def reading(self) -> Iterator[Reading]:
        """Within this context, ``read`` reads files with the market's options for all of them."""
        where = {name: where_texts(value) for name, value in self.where.items()}
        choices = {field: getattr(self, field) for field in self.selectors}
        options = Reading(decimal=self.decimal, where=where, newest_by=self.newest_by, choices=choices)
        with reading_context(options) as reading:
            yield reading

    def rows(self) -> Rows:
        """Return the selected rows of all files in reading order, before their order and prices are checked.

        Raises:
            DataError: the files cannot be parsed; the message names the file, the row and the remedy.
        """
        with self.reading() as reading:
            return self._read_rows(find_files(self.path, self.suffixes), reading)[0]

    @abstractmethod
    def read(self, file: Path) -> pd.DataFrame:
        """Return the rows of a file.

        Returns:
            Columns ``row`` (in the file), ``stamp`` (datetime64; on the file's clock, or UTC with a time zone),
            ``price``, one for each selector, ``repeated`` if the file flags repeated hours, ``version`` if rows replace
            others, larger in newer ones, ``length`` if rows state that of their interval, seconds, and any further
            values.
            ``attrs["notes"]`` may hold sentences on what was left out of the file.
        """

    @abstractmethod
    def stamp_zone(self) -> str:
        """Return the IANA name of the clock of stamps without a time zone."""

    def stamps_end(self) -> bool:
        """Return whether stamps mark the end of the interval."""
        return False

    def marks_end(self, interval_s: int) -> bool:
        """Return whether stamps mark the end of intervals of this length, seconds."""
        return self.stamps_end()

    def settled_range(self, stamps: NDArray[np.datetime64]) -> Range | None:
        """Return the lowest and the highest price that the operator can have settled; None if that is not known.

        Args:
            stamps: (N,) UTC, as limits change over the years.
        """
        return None

    def limits_by_time(self, stamps: NDArray[np.datetime64]) -> Range | None:
        """Return the operator's floor and cap at (N,) UTC stamps; None if those of now are all that is known."""
        return None

    def price_kind(self, files: Sequence[Path], selected: Mapping[str, str], interval_s: int) -> str | None:
        """Return ``day-ahead`` or ``real-time``; None: the files do not tell.

        Args:
            files: the files.
            selected: the selected value of each of ``selectors``.
            interval_s: length of the shortest interval in the files, seconds.
        """
        return None

    def series_name(self, location: str) -> str:
        """Return the name of the series; ``location`` is the value of the first selector."""
        return location

    def calendar_zone(self, location: str) -> str:
        """Return the IANA name of the local clock, which calendars use."""
        return self.time_zone or self.stamp_zone()

    def _parse(self, files: Sequence[Path], copies: Sequence[Path]) -> MarketSeries:
        with self.reading() as reading:
            for archive in copies:
                reading.note(archive, "left out, as all of its files also lie unpacked in the folder")
            rows, selected, notes = self._read_rows(files, reading)
            rows = in_order(rows, any_order=self.sort_rows)
            self._check_prices(rows)
            on_one, shift_s = self._on_one_interval(rows)
            grid = put_on_grid(on_one.rows, on_one.interval_s, self.gaps, self.max_gap_h)
            location = next(iter(selected.values()), "")
            series = self._series(location, on_one, shift_s, grid, [*notes, *reading.notes()])
        # The options of reading are for price files, and not for those of forecasts.
        published = self.publications(files, selected, on_one.shortest_s)
        return self.checked(replace(series, published=published, forecasts=self.vintages(selected)))

    def _read_rows(self, files: Sequence[Path], reading: Reading) -> tuple[Rows, dict[str, str], list[str]]:
        """Return the selected rows of all files, what is selected by selector, and notes."""
        tables = tables_in(files, self.suffixes)
        join = FileJoin(self.path, tables, self.read, self.row_kind, reading)
        frame, notes = join.frame(self.small_files_together)
        selected = {field: str(frame[field].iloc[0]) for field in self.selectors}
        rows = frame.drop(columns=list(self.selectors))
        return rows_in_utc(tables, with_version_numbers(tables, rows), self.stamp_zone()), selected, notes

    def _on_one_interval(self, rows: Rows) -> tuple[Resampled, int]:
        """Return rows on one interval length, and how many seconds before its stamp an interval starts."""
        if self.resample is not None:
            return resampled(rows, self.resample, self.interval_minutes, self.marks_end), 0
        length = find_interval(rows, self.interval_minutes, self.interval_hint, RESAMPLE_REMEDY)
        same = Resampled(rows=rows.without(LENGTH), interval_s=length, shortest_s=length, longest_s=length)
        return same, length if self.marks_end(length) else 0

    def _check_prices(self, rows: Rows) -> None:
        """Raise DataError where a price is beyond ``price_range``, or beyond what is plausible without one."""
        if self.price_range is not None:
            check_prices(rows, self.price_range, "market.price_range")
        elif (settled := self.settled_range(rows.utc)) is not None:
            check_prices(rows, settled, "what this market can settle")
        else:
            check_prices(rows, usual_range(rows.frame["price"].to_numpy(np.float64)), "what is plausible")

    def _series(self, location: str, on_one: Resampled, shift_s: int, grid: Grid, notes: Sequence[str]) -> MarketSeries:
        step = np.timedelta64(on_one.interval_s, "s")
        first = on_one.rows.utc[0] + step * grid.offset - np.timedelta64(shift_s, "s")
        values = dict(grid.values)
        # A range that the user states confirms the unit, too.
        unit = unit_note(values["price"], self.currency) if self.price_range is None else None
        return MarketSeries(
            name=self.series_name(location),
            currency=self.currency,
            time_zone=self.calendar_zone(location),
            interval_h=on_one.interval_s / 3600,
            published_interval_h=(on_one.shortest_s / 3600, on_one.longest_s / 3600),
            start=first + step * np.arange(len(grid.gap)),
            price=values.pop("price"),
            gap=grid.gap,
            columns=values,
            lead_h=leads_of_means(self.leads(), on_one),
            price_floor=self.price_floor,
            price_cap=self.price_cap,
            filled=grid.filled,
            notes=(*notes, *grid.notes(), *([unit] if unit else [])),
        )

    def leads(self) -> dict[str, float]:
        """Return how many hours before its interval each published column is known."""
        return {}

    def publications(
        self, files: Sequence[Path], selected: Mapping[str, str], interval_s: int
    ) -> dict[str, DailyPublication]:
        """Return the columns, or ``price``, that are published once per day for the next day.

        Args:
            files: the files.
            selected: the selected value of each of ``selectors``.
            interval_s: length of the shortest interval in the files, seconds.
        """
        return {}

    def forecast_files(self) -> Sequence[Path]:
        """Return the files that ``vintages`` reads."""
        return ()

    def vintages(self, selected: Mapping[str, str]) -> dict[str, ForecastVintages]:
        """Return the forecasts by name, which each of them has; ``selected`` is as in ``publications``."""
        return {}

    def checked(self, series: MarketSeries) -> MarketSeries:
        """Return the whole series, which a market with forecasts checks first."""
        return series
