"""Resampling: rows of several interval lengths on one, so that history joins across a change of the interval.

AEMO's intervals are 30 minutes until 1 October 2021 and 5 minutes after it; Europe's day-ahead auction has hours until
1 October 2025 and quarters of an hour after it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from battery_lab.common.errors import DataError
from battery_lab.market.file_formats.reading_context import current_reading
from battery_lab.market.file_formats.rows_with_source import LENGTH, Rows
from battery_lab.market.intervals.interval_grid import INTERVALS_MIN, OTHER_INTERVAL_STEPS, minutes_text

Resample = Literal["repeat", "mean"]
REMEDY = (
    "To join them, market.resample=repeat (the price of a long interval is that of each short one in it) or "
    "market.resample=mean (short ones become their mean)"
)


@dataclass(frozen=True, kw_only=True)
class Resampled:
    """Rows on one interval length, stamped by the start of the interval.

    Attributes:
        rows: the rows.
        interval_s: the interval length, seconds.
        shortest_s: the shortest interval of the files, seconds.
        longest_s: the longest one, seconds.
    """

    rows: Rows
    interval_s: int
    shortest_s: int
    longest_s: int


def resampled(rows: Rows, rule: Resample, interval_min: int | None, marks_end: Callable[[int], bool]) -> Resampled:
    """Return rows on one interval length.

    Args:
        rows: rows in order of time; if they do not state their ``length``, their steps show it.
        rule: ``repeat``: on the shortest interval of the rows; each longer one becomes several short ones with its
            values. ``mean``: on the longest; short ones become the mean of those that make a long one, missing unless
            all of them are there.
        interval_min: the interval length, minutes, instead of the shortest or longest one.
        marks_end: whether stamps of intervals of a length, seconds, mark their end.

    Raises:
        DataError: an interval is no multiple (``repeat``) or divisor (``mean``) of the new one; or intervals of
            different lengths cover the same time with different values.
    """
    is_stated = LENGTH in rows.frame
    length = rows.frame[LENGTH].to_numpy(np.int64) if is_stated else interval_lengths(rows, marks_end)
    rows = rows.without(LENGTH)
    target = 60 * interval_min if interval_min is not None else int(length.min() if rule == "repeat" else length.max())
    wrong = length % target != 0 if rule == "repeat" else target % length != 0
    if wrong.any():
        i = int(np.argmax(wrong))
        verb = "divide into" if rule == "repeat" else "make"
        problem = f"the interval of {minutes_text(length[i])} minutes does not {verb} {minutes_text(target)} minutes"
        raise rows.error(i, problem, "Change market.interval_minutes or market.resample")
    ends = {int(value): marks_end(int(value)) for value in np.unique(length)}
    start = rows.utc - np.array([int(value) * ends[int(value)] for value in length]).astype("timedelta64[s]")
    _note(rows, length, target, rule)
    result = _repeat(rows, start, length, target) if rule == "repeat" else _mean(rows, start, length, target)
    return Resampled(rows=result, interval_s=target, shortest_s=int(length.min()), longest_s=int(length.max()))


def leads_of_means(leads: Mapping[str, float], result: Resampled) -> dict[str, float]:
    """Return how many hours before its interval each column is known, where intervals became means of shorter ones.

    A mean is known once its last part is, whose lead counts from its own start.

    Raises:
        DataError: a column is published ahead, and its mean is not.
    """
    later_h = max(0, result.interval_s - result.shortest_s) / 3600
    for name, lead_h in leads.items():
        if lead_h < later_h:
            problem = f"market.lead_h.{name} is {lead_h:g} h, so that its mean is not known before its interval"
            raise DataError(f"{problem}. It must be at least {later_h:g} with market.resample=mean")
    return {name: lead_h - later_h for name, lead_h in leads.items()}


def interval_lengths(rows: Rows, marks_end: Callable[[int], bool]) -> NDArray[np.int64]:
    """Return the interval length of each row, seconds.

    At least six equal steps from row to row, of a length that intervals can have, show that length; rows between such
    runs belong to the run after them if stamps mark the end of intervals, else to the one before. Markets change to
    shorter intervals only, so that longer steps after shorter ones show missing rows.

    Raises:
        DataError: no steps show a length.
    """
    step = np.diff(rows.utc).astype(np.int64)
    runs = np.flatnonzero(np.diff(step, prepend=-1) != 0)
    lengths = np.diff(runs, append=len(step))
    shown = np.isin(step[runs], [60 * minutes for minutes in INTERVALS_MIN]) & (
        lengths >= min(OTHER_INTERVAL_STEPS, len(step))
    )
    known = np.repeat(np.where(shown, step[runs], 0), lengths)
    if not known.any():
        remedy = "Use files with more rows in a row, or set market.interval_minutes and no market.resample"
        raise rows.error(0, "no six steps from row to row show the length of an interval", remedy)
    # A row at the end of its interval has the length of the step before it.
    is_end = marks_end(int(known[known > 0].min()))
    own = np.concatenate([[0], known]) if is_end else np.concatenate([known, [0]])
    series = pd.Series(own, dtype=float).replace(0.0, np.nan)
    filled = series.bfill().ffill() if is_end else series.ffill().bfill()
    return np.asarray(filled.cummin(), np.int64)


def _note(rows: Rows, length: NDArray[np.int64], target: int, rule: Resample) -> None:
    for value in np.unique(length[length != target]):
        places = np.flatnonzero(length == value)
        count, minutes = len(places), minutes_text(int(value))
        how = (
            f"{count:,} intervals of {minutes} minutes were repeated in their parts of {minutes_text(target)} minutes"
            if rule == "repeat"
            else f"{count:,} intervals of {minutes} minutes became means of {minutes_text(target)} minutes"
        )
        current_reading().note(rows.file(int(places[0])), f"{how}, up to {rows.stamp(int(places[-1]))}")


def _repeat(rows: Rows, start: NDArray[np.datetime64], length: NDArray[np.int64], target: int) -> Rows:
    parts = length // target
    source = np.repeat(np.arange(len(start)), parts)
    before = np.repeat(np.cumsum(parts) - parts, parts)
    part = np.arange(len(source)) - before
    utc = start[source] + (part * target).astype("timedelta64[s]")
    repeated = Rows(files=rows.files, frame=rows.frame.iloc[source].reset_index(drop=True), utc=utc)
    order = np.argsort(utc, kind="stable")
    return _without_overlap(repeated.take(order))


def _mean(rows: Rows, start: NDArray[np.datetime64], length: NDArray[np.int64], target: int) -> Rows:
    seconds = start.astype("datetime64[s]").astype(np.int64)
    whole = seconds[length == target]
    phase = int(whole[0] % target) if len(whole) else 0
    block = (seconds - phase) // target
    names = rows.value_names
    covered = pd.Series(length).groupby(block).sum()
    if (covered > target).any():
        i = int(np.argmax(np.isin(block, covered.index[covered > target])))
        raise rows.error(i, f"intervals of several lengths cover {rows.stamp(i)}", "Use files that do not overlap")
    first = rows.frame.drop(columns=names).groupby(block).first()
    grouped = rows.frame[names].groupby(block)
    # A mean of some of the short intervals is not that of the long one.
    is_whole = grouped.count().eq(grouped.size(), axis=0)
    values = grouped.mean().where(is_whole)
    values[(covered != target).to_numpy()] = np.nan
    utc = (np.asarray(values.index, np.int64) * target + phase).astype("datetime64[s]")
    return Rows(files=rows.files, frame=pd.concat([first, values], axis=1).reset_index(drop=True), utc=utc)


def _without_overlap(rows: Rows) -> Rows:
    again = np.flatnonzero(np.diff(rows.utc) == np.timedelta64(0, "s")) + 1
    if not len(again):
        return rows
    values = rows.frame[rows.value_names].to_numpy(np.float64)
    for i in again:
        if not np.array_equal(values[i - 1], values[i], equal_nan=True):
            problem = f"intervals of several lengths cover {rows.stamp(int(i))} with different values"
            raise rows.error(int(i), problem, "Use files that do not overlap")
    return rows.take(np.setdiff1d(np.arange(len(rows.utc)), again))
