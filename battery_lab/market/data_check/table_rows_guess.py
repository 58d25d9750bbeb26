"""Guess of a table's rows: an hour in a column of its own, and rows of several nodes that a column tells apart."""

from __future__ import annotations

import re
from collections.abc import Sequence

import pandas as pd

from battery_lab.market.cells.hour_numbers import HOUR

HOUR_NAME = re.compile(r"hour|\bhe\b|heure|stunde|^time|period", re.IGNORECASE)
MOST_NAMES = 5_000


def hour_column(table: pd.DataFrame, stamps: str, times: pd.Series) -> str | None:
    """Return the column of hours beside a column of dates; None if the stamps are more than dates.

    Args:
        table: the table.
        stamps: the column of stamps.
        times: (N,) its stamps.
    """
    if not (times == times.dt.normalize()).all() or not times.duplicated().any():
        return None
    names = [str(name) for name in table.columns if str(name) != stamps and HOUR_NAME.search(str(name))]
    fitting = (name for name in names if table[name].astype(str).str.strip().str.match(HOUR).all())
    return next(fitting, None)


def name_column(table: pd.DataFrame, stamps: Sequence[str]) -> tuple[str, list[str]] | None:
    """Return the column that tells rows of one interval apart, such as a node, and its names, the most frequent first.

    Args:
        table: the table.
        stamps: its columns of stamps.

    Returns:
        None if intervals stand once, or no column tells them apart.
    """
    keys = list(stamps)
    if table.duplicated(keys).mean() < 0.25:
        return None
    for column in map(str, table.columns):
        cells = table[column]
        if column in keys or pd.api.types.is_float_dtype(cells) or cells.nunique() > MOST_NAMES:
            continue
        if cells.nunique() > 1 and table.duplicated([*keys, column]).mean() < 0.01:
            return column, [str(name) for name in cells.value_counts().index]
    return None
