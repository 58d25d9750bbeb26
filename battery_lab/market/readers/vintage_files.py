"""Vintage files: tables with one row per forecast value, with the times of its publication and of its interval."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Annotated

import numpy as np
import pandas as pd
from pydantic import Field

from battery_lab.common.validated_options import Rule, at, options
from battery_lab.market.cells.cell_numbers import to_numbers
from battery_lab.market.file_formats.price_files import CSV_SUFFIXES, PARQUET_SUFFIXES, find_files, read_file
from battery_lab.market.file_formats.rows_with_source import row_error
from battery_lab.market.forecasts.forecast_vintages import ForecastVintages, stored_runs
from battery_lab.market.forecasts.vintage_runs import SECOND, Times

Column = Annotated[str, Field(min_length=1), Rule("a column of the files")]
# (file, table, option, name) -> the column; (file, rows, cells) -> stamps, with a time zone if they have an offset.
FindColumn = Callable[[Path, pd.DataFrame, str, str], pd.Series]
ParseStamps = Callable[[Path, pd.Series, pd.Series], pd.Series]


@options("market.forecasts")
class VintageFiles:
    """The files of one forecast.

    Attributes:
        path: a file, a folder or a glob.
        issued: the files' column of the time at which a value was really published.
        start: their column of the interval that it is for.
        value: their column of the value.
        quantity: what it forecasts: ``price``, or the lab's name of a column.
    """

    path: Annotated[str, Field(min_length=1), Rule("a file, a folder or a glob")]
    issued: Column
    start: Column
    value: Column
    quantity: Annotated[str, Field(min_length=1), Rule("price or the lab's name of a column")]

    def files(self) -> Sequence[Path]:
        """Return the files."""
        return find_files(self.path, CSV_SUFFIXES + PARQUET_SUFFIXES)


def vintage_files(entries: Mapping[str, Mapping[str, str]]) -> dict[str, VintageFiles]:
    """Return the files of each forecast by its name.

    Raises:
        ConfigError: an entry lacks a field, or has one that there is not.
    """
    found = {}
    for name, entry in entries.items():
        with at(f"market.forecasts.{name}"):
            found[name] = VintageFiles(**entry)
    return found


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
    parts = []
    for file in source.files():  # one after the other, so that text takes little memory
        table = read_file(file)
        row = pd.Series(table.index, index=table.index)
        field = f"market.forecasts.{name}."
        times = [
            _utc(file, row, stamps(file, row, column(file, table, field + part, getattr(source, part))), zone)
            for part in ("issued", "start")
        ]
        cells = column(file, table, field + "value", source.value)
        parts.append((*times, to_numbers(file, row, cells, source.value).astype(np.float32)))
    published, start, value = (np.concatenate(column) for column in zip(*parts, strict=True))
    known = ForecastVintages.of(name=name, quantity=source.quantity, published=published, start=start, value=value)
    if not stamps_end:
        return known
    runs = stored_runs(known)
    return known.with_runs(runs._replace(first=runs.first - known.step_s * SECOND))


def _utc(file: Path, row: pd.Series, stamp: pd.Series, zone: str) -> Times:
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
        remedy = "Give the stamps of forecasts a UTC offset, or set market.stamp_time_zone to a clock without changes"
        raise row_error(file, int(row.iloc[i]), problem, remedy)
    return np.asarray(utc.dt.tz_convert("UTC").dt.tz_localize(None), "datetime64[s]")
