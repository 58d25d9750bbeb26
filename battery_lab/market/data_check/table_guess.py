"""Guess of a table: the options of `market=table` that read files of no known operator."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from battery_lab.common.errors import DataError
from battery_lab.market.cells.hour_numbers import HOUR
from battery_lab.market.data_check.clock_guess import clock_of_local_stamps, clock_of_offsets
from battery_lab.market.data_check.file_sample import sampled
from battery_lab.market.data_check.table_columns_guess import (
    END,
    UTC,
    StampColumn,
    currency_in,
    is_price_name,
    price_columns,
    product_in,
    stamp_columns,
)
from battery_lab.market.data_check.table_rows_guess import hour_column, name_column
from battery_lab.market.file_formats.price_files import read_file
from battery_lab.market.file_formats.row_selection import join_names

LAST_HOUR = 24
# Files that are read: the clock changes in two of twelve months.
LOOKED_AT = 14
NO_CURRENCY = "XXX"  # ISO 4217: no currency


@dataclass(kw_only=True)
class TableGuess:
    """Options of a table, and how certain they are.

    Attributes:
        values: the options by name.
        assumed: option -> why it is a guess that the files do not confirm.
        others: further columns of numbers, which are not read.
        product: ``day-ahead`` or ``real-time``, where names say so.
    """

    values: dict[str, Any] = field(default_factory=dict)
    assumed: dict[str, str] = field(default_factory=dict)
    others: Sequence[str] = ()
    product: str | None = None


def guess_table(files: Sequence[Path], given: Mapping[str, Any]) -> TableGuess:
    """Return the options of a table for files; some of them are looked at.

    Args:
        files: the files.
        given: options that the user chose; they are taken as they are.

    Raises:
        DataError: the files have no column of stamps, or none of numbers.
    """
    tables = [read_file(file) for file in sampled(files, LOOKED_AT)]
    first, guess = tables[0], TableGuess()
    columns = stamp_columns(pd.concat(tables) if len(tables) > 1 else first)
    if "timestamp" in given:
        columns = [column for column in columns if column.name == given["timestamp"]] or columns
    if not columns:
        raise _no_column_error(files[0], first, "time stamps", "market.timestamp=<column>")
    stamps = columns[0]
    prices = price_columns(first, [column.name for column in columns])
    price = given.get("price") or next(iter(prices), None)
    if price is None:
        raise _no_column_error(files[0], first, "numbers", "market.price=<column>")
    guess.values |= {"timestamp": stamps.name, "price": price}
    guess.others = [name for name in prices if name != price]
    stamps = _guess_rows(guess, first, stamps, given)
    if stamps.form is not None and "timestamp_format" not in given:
        guess.values["timestamp_format"] = stamps.form
    likely = [name for name in prices if is_price_name(name)]
    if "price" not in given and len(prices) > 1 and (len(likely) != 1 or price != likely[0]):
        guess.assumed["price"] = f"other columns of numbers are {join_names(guess.others)}"
    guess.product = product_in(price, files[0].name)
    _guess_currency(guess, price, files[0], list(map(str, first.columns)))
    _guess_clock(guess, stamps)
    _guess_ends(guess, stamps)
    guess.assumed = {name: why for name, why in guess.assumed.items() if name not in given}
    return guess


def _guess_rows(guess: TableGuess, table: pd.DataFrame, stamps: StampColumn, given: Mapping[str, Any]) -> StampColumn:
    """Guess a column of hours and the rows of one node; return the stamps of these rows."""
    columns, times = [stamps.name], stamps.times
    if (hour := hour_column(table, stamps.name, times[: len(table)])) is not None:
        columns.append(hour)
        guess.others = [name for name in guess.others if name != hour]
        guess.values["timestamp"] = columns
        numbers = pd.to_numeric(table[hour].astype(str).str.extract(HOUR)["hour"])
        # Hours 1 to 24 are numbered by their end.
        if numbers.max() == LAST_HOUR:
            guess.values["stamps"] = "end"
        times = times[: len(table)] + pd.to_timedelta(numbers.to_numpy(), unit="h")
        stamps = replace(stamps, times=times.drop_duplicates())
    found = None if "where" in given else name_column(table, columns)
    if found is not None:
        column, names = found
        guess.values["where"] = {column: names[0]}
        guess.assumed["where"] = f"the column {column!r} has {len(names):,} names: {join_names(names)}"
        stamps = replace(stamps, times=stamps.times.drop_duplicates())
    return stamps


def _guess_currency(guess: TableGuess, price: str, file: Path, names: Sequence[str]) -> None:
    found = currency_in(price, file.name, *names)
    guess.values["currency"] = found or NO_CURRENCY
    if found is None:
        guess.assumed["currency"] = f"the files do not name it; {NO_CURRENCY} stands for none"


def _guess_clock(guess: TableGuess, stamps: StampColumn) -> None:
    times = stamps.times
    if stamps.offsets is not None:
        clock = clock_of_offsets(times, stamps.offsets)
    elif UTC.search(stamps.name):
        guess.values |= {"time_zone": "UTC", "stamp_time_zone": "UTC"}
        guess.assumed["time_zone"] = "the stamps are in UTC; the local clock, which calendars use, is not known"
        return
    else:
        clock = clock_of_local_stamps(np.unique(times.to_numpy("datetime64[s]")))
    guess.values["time_zone"] = clock.zone
    if not clock.is_certain:
        reason = "the stamps have no offset, and no change of the clock tells their zone"
        if stamps.offsets is not None:
            reason = "the stamps are unambiguous; the local clock, which calendars use, is not known"
        elif clock.others:
            reason = (
                "the stamps are on a clock without daylight saving, such as Etc/GMT+5 for UTC-5; which is not known"
            )
        guess.assumed["time_zone"] = reason
    elif clock.others:
        guess.assumed["time_zone"] = f"{', '.join(clock.others)} change the clock in the same hours"


def _guess_ends(guess: TableGuess, stamps: StampColumn) -> None:
    """Guess whether stamps mark the end: by the name, or as a file from midnight to midnight begins after midnight."""
    times = np.unique(stamps.times.to_numpy("datetime64[s]"))
    steps = np.diff(times)
    step = (
        np.unique(steps)[np.argmax(np.unique(steps, return_counts=True)[1])] if len(steps) else np.timedelta64(0, "s")
    )
    first, last = (time - time.astype("datetime64[D]") for time in (times[0], times[-1]))
    midnight = np.timedelta64(0, "s")
    if "stamps" in guess.values:
        return
    if END.search(stamps.name):
        guess.values["stamps"] = "end"
    elif first == step and last == midnight and stamps.offsets is None:
        guess.values["stamps"] = "end"
        guess.assumed["stamps"] = "the stamps begin one interval after midnight and end at midnight"
    elif not (first == midnight and last == np.timedelta64(1, "D") - step):
        guess.assumed["stamps"] = "the files do not say whether stamps mark the start or the end of an interval"


def _no_column_error(file: Path, table: pd.DataFrame, what: str, option: str) -> DataError:
    problem = f"no column holds {what}, of {join_names(list(map(str, table.columns)))}"
    return DataError(f"{file}: {problem}. Name the column with market=table {option}")
