"""Vintage files: tables with one row per forecast value, with the times of its publication and of its interval."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, ClassVar

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray
from pydantic import Field

from battery_lab.common.errors import DataError
from battery_lab.common.validated_options import Rule, Unit, options
from battery_lab.market.cells.cell_numbers import to_numbers
from battery_lab.market.file_formats.price_files import CSV_SUFFIXES, HEADER, PARQUET_SUFFIXES, find_files, read_file
from battery_lab.market.file_formats.row_selection import WhereValue, where_texts
from battery_lab.market.file_formats.rows_with_source import row_error
from battery_lab.market.file_formats.table_columns import as_text, find_column
from battery_lab.market.forecasts.forecast_vintages import ForecastVintages, stored_runs
from battery_lab.market.forecasts.vintage_runs import SECOND, Times
from battery_lab.market.readers.market_option_types import TimeZone

Column = Annotated[str, Field(min_length=1), Rule("a column of the files")]
LeadRange = Annotated[tuple[float, float], Rule("exactly two numbers, the fewest and the most hours")]
# (file, table, option, name) -> the column; (file, rows, cells) -> stamps, with a time zone if they have an offset.
FindColumn = Callable[[Path, pd.DataFrame, str, str], pd.Series]
ParseStamps = Callable[[Path, pd.Series, pd.Series], pd.Series]
# A part of a second that is not 0, in a stamp or in milliseconds since 1970.
FRACTION = r"(?:\d:\d\d[.,]\d*[1-9]|^\d{10}(?!000$)\d{3}$)"


@options("market.forecasts")
class VintageFiles:
    """The files of one forecast.

    Attributes:
        path: a file, a folder or a glob.
        issued: the files' column of the time at which a value was really published.
        start: their column of the interval that it is for.
        value: their column of the value.
        quantity: what it forecasts: ``price``, or the lab's name of a column.
        run: their column of the run of a value; None: values with the same time of publication are a run.
        where: column of the files -> the value, or the values, that rows must have there.
        step_h: length of an interval, hours; None: the shortest step within a run.
        issued_time_zone: clock of ``issued`` without a UTC offset; None: that of the other stamps.
        lead_range_h: fewest and most hours from the publication of a run to its first interval, in the median; None:
            what is plausible.
    """

    path: Annotated[str, Field(min_length=1), Rule("a file, a folder or a glob")]
    issued: Column
    start: Column
    value: Column
    quantity: Annotated[str, Field(min_length=1), Rule("price or the lab's name of a column")]
    run: Column | None
    where: Mapping[str, WhereValue | list[WhereValue]]
    step_h: Annotated[float, Field(gt=0, le=8784), Unit("hours")] | None
    issued_time_zone: TimeZone | None
    lead_range_h: LeadRange | None

    # The user writes entries in whole, so no YAML of conf has these.
    usual: ClassVar[Mapping[str, Any]] = {
        "run": None,
        "where": {},
        "step_h": None,
        "issued_time_zone": None,
        "lead_range_h": None,
    }

    def files(self, name: str) -> Sequence[Path]:
        """Return the files of the forecast of a name."""
        return find_files(self.path, CSV_SUFFIXES + PARQUET_SUFFIXES, f"market.forecasts.{name}.path")

    @property
    def columns(self) -> list[str]:
        """The columns of the files that are used."""
        return [self.issued, self.start, self.value, *([self.run] if self.run else []), *self.where]


def read_vintages(
    name: str, source: VintageFiles, column: FindColumn, stamps: ParseStamps, zone: str, *, stamps_end: bool
) -> ForecastVintages:
    """Return the forecasts of some files.

    Args:
        name: the name of the forecast.
        source: its files.
        column: finds a column of a file.
        stamps: parses one.
        zone: IANA name of the clock of stamps without a UTC offset.
        stamps_end: whether ``start`` holds the end of the interval.

    Raises:
        DataError: a file cannot be used; the message names the row.
    """
    field, labels, parts = f"market.forecasts.{name}.", dict[str, int](), []
    for file in source.files(name):
        for table in _tables(file, source.columns):
            table = _selected(file, table, source, column, field)
            row = pd.Series(table.index, index=table.index)
            cells = {
                part: column(file, table, field + part, getattr(source, part)) for part in ("issued", "start", "value")
            }
            issued_zone = source.issued_time_zone or zone
            issued = _utc(file, row, stamps(file, row, cells["issued"]), issued_zone, f"{field}issued_time_zone")
            issued = issued + SECOND * _has_fraction(cells["issued"])
            start = _utc(file, row, stamps(file, row, cells["start"]), zone, "market.stamp_time_zone")
            value = to_numbers(file, row, cells["value"], source.value).astype(np.float32)
            run = np.zeros(len(row), np.int64)
            if source.run is not None:
                run = number_labels(as_text(column(file, table, f"{field}run", source.run)), labels)
            parts.append((issued, start, value, run))
    published, start, value, run = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
    if not len(value):
        raise DataError(f"{field}where: no row of {source.path} has these values. Correct {field}where")
    runs_of = run if source.run else None
    step_h = source.step_h or _step_h(name, published, start, runs_of)
    rows: dict[str, Any] = {"published": published, "start": start, "value": value, "run": runs_of}
    known = ForecastVintages.of(name=name, quantity=source.quantity, step_h=step_h, **rows)
    if not stamps_end:
        return known
    runs = stored_runs(known)
    return known.with_runs(runs._replace(first=runs.first - known.step_s * SECOND))


def number_labels(cells: pd.Series, labels: dict[str, int]) -> NDArray[np.int64]:
    """Return the (N,) numbers of labels of runs; ``labels`` keeps the number of each label from file to file."""
    codes, names = pd.factorize(cells)
    numbers = [labels.setdefault(str(name), len(labels)) for name in names]
    return np.asarray(numbers, np.int64)[codes] if numbers else np.empty(0, np.int64)


def _step_h(name: str, published: Times, start: Times, run: NDArray[np.int64] | None) -> float:
    """Return the shortest step within a run."""
    key = published if run is None else run
    order = np.lexsort((start, key))
    steps = np.diff(start[order])[key[order][1:] == key[order][:-1]]
    steps = steps[steps > np.timedelta64(0, "s")]
    if not len(steps):
        field = f"market.forecasts.{name}.step_h"
        raise DataError(f"{field} is needed: no run of the forecast has two intervals, whose distance is their length")
    return float(steps.min() / np.timedelta64(3600, "s"))


def _tables(file: Path, columns: Sequence[str]) -> Iterator[pd.DataFrame]:
    """Yield the parts of a file with the columns that are used."""
    if not file.name.lower().endswith(PARQUET_SUFFIXES):
        yield read_file(file, columns)
        return
    try:
        yield from parquet_parts(file, columns)
    except (pa.ArrowException, OSError) as error:
        raise DataError(f"{file} is not a complete table: {error}. Download it again") from error


def parquet_parts(file: Path, columns: Sequence[str], optional: Sequence[str] = ()) -> Iterator[pd.DataFrame]:
    """Yield the row groups of a Parquet file in the form of ``read_file``, with some columns, and optional ones."""
    with pq.ParquetFile(file) as parquet:
        names = list(map(str, parquet.schema_arrow.names))
        used = {find_column(names, column) for column in columns}
        used |= {find_column(names, column) for column in optional} - {None}
        first = 1
        for group in range(parquet.num_row_groups):
            # Where a column is missing, all are read, so that the error can name them.
            table = parquet.read_row_group(group, None if None in used else [name for name in names if name in used])
            frame = table.to_pandas(ignore_metadata=True)
            frame.attrs[HEADER] = names
            yield frame.set_index(pd.RangeIndex(first, first + len(frame)))
            first += len(frame)


def _selected(file: Path, table: pd.DataFrame, source: VintageFiles, column: FindColumn, field: str) -> pd.DataFrame:
    for name, values in source.where.items():
        cells = as_text(column(file, table, f"{field}where", name))
        kept = cells.str.lower().isin(where_texts(values))
        table = table[kept.to_numpy(bool)]
    return table


def _has_fraction(cells: pd.Series) -> NDArray[np.bool_]:
    """Return whether each stamp has a part of a second, which parsed stamps have lost."""
    if pd.api.types.is_datetime64_any_dtype(cells):
        return np.asarray(cells.dt.floor("s") != cells, np.bool_)
    return np.asarray(as_text(cells).str.contains(FRACTION, regex=True), np.bool_)


def _utc(file: Path, row: pd.Series, stamp: pd.Series, zone: str, field: str) -> Times:
    """Return stamps in UTC.

    In a table of runs, the order of rows does not tell the two passes of a repeated hour apart.
    """
    if stamp.dt.tz is not None:
        return np.asarray(stamp.dt.tz_convert("UTC").dt.tz_localize(None), "datetime64[s]")
    utc = stamp.dt.tz_localize(zone, ambiguous="NaT", nonexistent="NaT")
    wrong = utc.isna().to_numpy()
    if wrong.any():
        i = int(np.argmax(wrong))
        problem = f"{stamp.iloc[i]} does not exist in {zone}, or occurs twice"
        remedy = f"Give the stamps of forecasts a UTC offset, or set {field} to a clock without changes"
        raise row_error(file, int(row.iloc[i]), problem, remedy)
    return np.asarray(utc.dt.tz_convert("UTC").dt.tz_localize(None), "datetime64[s]")
