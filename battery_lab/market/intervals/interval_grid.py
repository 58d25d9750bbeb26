"""Interval grid: the interval length of rows, and rows on an unbroken grid, with gaps refused, filled or marked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from battery_lab.common.errors import DataError
from battery_lab.market.file_formats.rows_with_source import LENGTH, Rows

Array = NDArray[np.float64]
INTERVALS_MIN = (5, 6, 10, 12, 15, 20, 30, 60)
# A run of this many equal steps that are not the interval is another interval length, not a series of gaps.
OTHER_INTERVAL_STEPS = 6


@dataclass(frozen=True, kw_only=True)
class Grid:
    """Values on an unbroken grid.

    Attributes:
        offset: number of intervals from the first row to the start of the grid.
        values: (T,) values by column.
        gap: (T,) True where no episode may be.
        filled: (T,) True where a missing price repeats the one before it, outside of gaps.
        filled_in_columns: column -> the number of its values that were missing where the price was not.
        prices_before: number of prices before the start of the grid.
    """

    offset: int
    values: dict[str, Array]
    gap: NDArray[np.bool_]
    filled: NDArray[np.bool_]
    filled_in_columns: dict[str, int] = field(default_factory=dict)
    prices_before: int = 0

    def notes(self) -> list[str]:
        """Return sentences on what is missing besides prices."""
        notes = [
            f"{name} is missing in {count:,} intervals that have a price, and repeats its last value there"
            for name, count in self.filled_in_columns.items()
        ]
        if self.prices_before:
            notes.append(f"{self.prices_before:,} prices before the first row with all values are left out")
        return notes


def find_interval(rows: Rows, interval_min: int | None, hint: str, join: str = "") -> int:
    """Return the length of an interval in seconds.

    Args:
        rows: rows in order of time. If they state their ``length``, their steps need not show it.
        interval_min: the length in minutes, if the user sets it; None uses the most frequent step.
        hint: added to the error message if the files mix interval lengths.
        join: how to join them, for that message.

    Raises:
        DataError: the rows do not have one interval length of 5 to 60 minutes that divides an hour.
    """
    steps = np.diff(rows.utc).astype(np.int64)
    stated = rows.frame[LENGTH].to_numpy(np.int64) if LENGTH in rows.frame else None
    if interval_min is not None:
        interval_s = 60 * interval_min
    else:
        interval_s = _usual_step(rows, steps) if stated is None else _most_frequent(stated)
    if stated is not None:
        _check_stated(rows, stated, interval_s, interval_min, f"{join}. {hint}")
    other = _other_interval(steps, interval_s) if stated is None else np.zeros(len(steps), np.bool_)
    wrong = np.flatnonzero((steps % interval_s != 0) | other)
    if len(wrong):
        i = int(wrong[0])
        usual = "elsewhere" if interval_min is None else "by market.interval_minutes"
        problem = (
            f"wrong interval: {minutes_text(steps[i])} minutes from {rows.stamp(i)} to the next stamp, "
            f"{minutes_text(interval_s)} {usual}"
        )
        remedy = (
            "Use files with one interval length, or correct the stamps"
            if interval_min is None
            else ("Correct market.interval_minutes (null detects it), or use files with that interval length")
        )
        is_other = bool(other.any()) and steps[i] in [60 * minutes for minutes in INTERVALS_MIN]
        raise rows.error(i + 1, problem, ". ".join(filter(None, [remedy, join if is_other else "", hint])))
    return interval_s


def _check_stated(
    rows: Rows, stated: NDArray[np.int64], interval_s: int, interval_min: int | None, remedy: str
) -> None:
    """Raise DataError where a row states another length of its interval."""
    wrong = stated != interval_s
    if wrong.any():
        i = int(np.argmax(wrong))
        usual = "elsewhere" if interval_min is None else "by market.interval_minutes"
        problem = f"the interval at {rows.stamp(i)} has {minutes_text(stated[i])} minutes, {minutes_text(interval_s)}"
        raise rows.error(i, f"{problem} {usual}", remedy)


def _most_frequent(lengths: NDArray[np.int64]) -> int:
    values, counts = np.unique(lengths, return_counts=True)
    return int(values[np.argmax(counts)])


def put_on_grid(rows: Rows, interval_s: int, gaps: str, max_gap_h: float) -> Grid:
    """Put rows on an unbroken grid. An interval is missing if its row or its price is missing.

    A missing value becomes the last value before it. (Interpolation would reveal the next price too early.) A value
    that is missing in another column leaves the price as it is: that column alone repeats its last value.

    Args:
        rows: rows in order of time, whole intervals apart; their columns of values are put on the grid.
        interval_s: length of an interval in seconds.
        gaps: ``refuse`` any gap; ``fill`` gaps up to ``max_gap_h`` and refuse longer ones; ``split``: mark gaps so
            that no episode touches them; ``fill_or_split``: fill gaps up to ``max_gap_h`` and mark longer ones. Unless
            gaps are refused, the series begins with its first complete row. ``refuse`` and ``fill`` hold for gaps of
            other columns as well; with the other two, a column repeats its last value for as long as it is missing.
        max_gap_h: the longest gap that is filled, hours.

    Raises:
        DataError: a gap that is not allowed.
    """
    names = rows.value_names
    index = (rows.utc - rows.utc[0]).astype(np.int64) // interval_s
    values = {name: np.full(int(index[-1]) + 1, np.nan) for name in names}
    for name in names:
        values[name][index] = rows.frame[name].to_numpy(np.float64)
    empty = {name: np.isnan(column) for name, column in values.items()}
    incomplete = np.logical_or.reduce(list(empty.values()))
    if not incomplete.any():
        return Grid(offset=0, values=values, gap=incomplete, filled=incomplete)
    _check_gaps(rows, index, empty, interval_s, gaps, max_gap_h)
    missing, offset = empty["price"], int(np.argmin(incomplete))
    first, end = _runs(missing)
    marked = {"split": first < end, "fill_or_split": (end - first) * interval_s / 3600 > max_gap_h + 1e-9}
    gap = np.zeros(len(missing), np.bool_)
    if gaps in marked:
        is_gap = np.repeat(marked[gaps], end - first)
        gap[np.flatnonzero(missing)[is_gap]] = True
    return Grid(
        offset=offset,
        values={name: _forward_fill(column[offset:]) for name, column in values.items()},
        gap=gap[offset:],
        filled=(missing & ~gap)[offset:],
        filled_in_columns={name: count for name in names if (count := int((empty[name] & ~missing)[offset:].sum()))},
        prices_before=int((~missing[:offset]).sum()),
    )


def _check_gaps(
    rows: Rows,
    index: NDArray[np.int64],
    empty: Mapping[str, NDArray[np.bool_]],
    interval_s: int,
    gaps: str,
    max_gap_h: float,
) -> None:
    """Raise DataError for the first gap that is not allowed, in any column, and if no row is complete."""
    incomplete = np.logical_or.reduce(list(empty.values()))
    if incomplete.all():
        whole = next((column for column in empty.values() if column.all()), incomplete)
        raise _gap_error(rows, index, whole, (0, len(whole)), interval_s, "")
    refused = [(gap, column) for column in empty.values() if (gap := _refused(column, interval_s, gaps, max_gap_h))]
    if refused:
        gap, column = min(refused, key=lambda item: item[0])
        raise _gap_error(rows, index, column, gap, interval_s, _remedy(gaps, max_gap_h))


def _runs(missing: NDArray[np.bool_]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the first interval of each gap and the interval after its last."""
    edges = np.flatnonzero(np.diff(missing, prepend=False, append=False))
    return edges[::2], edges[1::2]


def _refused(missing: NDArray[np.bool_], interval_s: int, gaps: str, max_gap_h: float) -> tuple[int, int] | None:
    """Return the first gap that is not allowed, as (first interval, interval after the last)."""
    first, end = _runs(missing)
    if gaps in ("split", "fill_or_split"):
        return None
    # Rows before the first complete one are dropped, because there is no value to fill them with.
    length_h = np.where((first == 0) & (gaps == "fill"), 0.0, (end - first) * interval_s / 3600)
    wrong = np.flatnonzero(length_h > (max_gap_h + 1e-9 if gaps == "fill" else 0.0))
    return (int(first[wrong[0]]), int(end[wrong[0]])) if len(wrong) else None


def _gap_error(
    rows: Rows,
    index: NDArray[np.int64],
    missing: NDArray[np.bool_],
    gap: tuple[int, int],
    interval_s: int,
    remedy: str,
) -> DataError:
    first, end = gap
    i = int(np.searchsorted(index, first))
    count = end - first
    length = f"{count:,} interval{'s' if count > 1 else ''}, {(end - first) * interval_s / 3600:.4g} h"
    if index[i] == first:
        empty = [name for name in rows.frame.columns if rows.frame[name].isna().iloc[i]]
        problem = f"{' and '.join(empty)} missing at {rows.stamp(i)}; the gap is {length}"
    else:
        problem = f"a gap of {length} between {rows.stamp(i - 1)} ({rows.place(i - 1, beside=i)}) and {rows.stamp(i)}"
        if _is_one_pass(rows, i, end - first, interval_s):
            problem += ", in which daylight saving ends: the file holds the doubled hour only once"
            remedy = f"Use a file with both passes of that hour, or with UTC stamps. {remedy}"
    if missing.all():
        return rows.error(i, f"{problem}, the whole series", "Use files that hold prices")
    return rows.error(i, f"{problem}; {missing.sum()} of {len(missing)} intervals are missing in total", remedy)


def _is_one_pass(rows: Rows, i: int, missing: int, interval_s: int) -> bool:
    """Return whether the stamps that are missing before row ``i`` stand before the gap already.

    They do where the clock repeats an hour. The stamp of the end of the first pass belongs to the second.
    """
    local, step = rows.frame["stamp"].to_numpy("datetime64[s]"), np.timedelta64(interval_s, "s")
    before = local[max(i - missing - 2, 0) : i]
    found = np.isin(local[i] - step * np.arange(1, missing + 1), before).sum()
    return bool(found >= max(missing - 1, 1))


def _remedy(gaps: str, max_gap_h: float) -> str:
    if gaps == "fill":
        return (
            f"The longest gap allowed is market.max_gap_h={max_gap_h:g}: raise it, or choose market.gaps=fill_or_split "
            "(no episode touches a longer gap) or market.gaps=split"
        )
    return (
        "Complete the file, or allow gaps: market.gaps=fill (repeats the last value, up to market.max_gap_h), "
        "market.gaps=split (no episode touches a gap) or market.gaps=fill_or_split (fills short gaps, splits at longer "
        "ones)"
    )


def _forward_fill(column: Array) -> Array:
    """Return a column with each NaN replaced by the last value before it; the first value must not be NaN."""
    last = np.maximum.accumulate(np.where(np.isnan(column), 0, np.arange(len(column))))
    return column[last]


def _usual_step(rows: Rows, steps: np.ndarray) -> int:
    if not len(steps):
        remedy = "Use files with more rows, or set market.interval_minutes=..."
        raise rows.error(0, "this is the only row, so the interval length is unknown", remedy)
    usual = _most_frequent(steps)
    if usual not in [60 * minutes for minutes in INTERVALS_MIN]:
        i = int(np.argmax(steps == usual)) + 1
        problem = f"wrong interval: the stamps are {minutes_text(usual)} minutes apart"
        raise rows.error(i, problem, f"Resample the prices to one of {INTERVALS_MIN} minutes")
    return usual


def _other_interval(steps: np.ndarray, interval_s: int) -> np.ndarray:
    """Return (T - 1,) True within long runs of one other step."""
    runs = np.flatnonzero(np.diff(steps, prepend=-1) != 0)
    lengths = np.diff(runs, append=len(steps))
    return np.repeat((lengths >= OTHER_INTERVAL_STEPS) & (steps[runs] != interval_s), lengths)


def minutes_text(seconds: int) -> str:
    """Return seconds as text in minutes."""
    return f"{seconds / 60:g}"
