"""Newest runs: for each interval the newest published run that covers it, for compiled code.

At a time, a run counts if it is published, and if no run that is published later has a value for the same interval. So
a run that begins tomorrow leaves the rest of today to the runs before it. An earlier run counts for at most
``EARLIER_H`` hours before the publication of the newest one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numba as nb
import numpy as np
from numpy.typing import NDArray

from battery_lab.market.forecasts.vintage_runs import HOUR_S, Runs

Array = NDArray[np.float64]
Ints = NDArray[np.int64]
NONE = -1
# Long enough for a market whose auction of a Friday covers a long weekend.
EARLIER_H = 96


class RunIndex(NamedTuple):
    """R runs in order of their publication, by product.

    Attributes:
        first_s: (R,) start of the first interval of each run, seconds since 1970.
        begin: (R,) place of its first value.
        end: (R,) place after its last value.
        values: (V,) float32; NaN where nothing is forecast.
        oldest: (R,) the first run that counts beside it.
        reach_s: (R,) latest end of an interval of these runs, seconds since 1970.
    """

    first_s: Ints
    begin: Ints
    end: Ints
    values: NDArray[np.float32]
    oldest: Ints
    reach_s: Ints


class NewestRuns(NamedTuple):
    """The newest runs of G groups of products at T rows, for ``forecast`` and ``forecast_ahead``.

    Attributes:
        run: (G, T) int32, the newest run for each row; -1 where none is published.
        start_s: (T,) start of each row, seconds since 1970.
        step_s: (G,) length of the intervals of each group, seconds.
        base: (G,) number of its first run.
        every: all runs, by group.
    """

    run: NDArray[np.int32]
    start_s: Ints
    step_s: Ints
    base: Ints
    every: RunIndex


def index_runs(groups: Sequence[Sequence[Runs]], seen_s: Sequence[Sequence[Ints]], step_s: Sequence[int]) -> RunIndex:
    """Return the runs of groups of products, each group in order of publication.

    Args:
        groups: the runs of each product of each group.
        seen_s: the same, when each run can be used first, seconds since 1970.
        step_s: length of the intervals of each group, seconds.
    """
    parts: dict[str, list[Ints]] = {name: [] for name in ("first_s", "begin", "end", "oldest", "reach_s")}
    place, base = 0, 0
    for products, seen, step in zip(groups, seen_s, step_s, strict=True):
        offsets = []
        for runs in products:
            offsets.append(runs.offset + place)
            place += len(runs.values)
        first = joined([runs.first.astype(np.int64) for runs in products])
        begin, end = (joined([offset[cut] for offset in offsets]) for cut in (slice(-1), slice(1, None)))
        order = group_order(products, seen)
        first, begin, end = first[order], begin[order], end[order]
        oldest, reach = _windows(joined(seen)[order], first + step * (end - begin), EARLIER_H * HOUR_S)
        for name, part in (("first_s", first), ("begin", begin), ("end", end)):
            parts[name].append(part)
        parts["oldest"].append(oldest + base)
        parts["reach_s"].append(reach)
        base += len(first)
    values = [runs.values for products in groups for runs in products]
    # One product stays where it is, perhaps mapped from its file. Several are joined.
    all_values = values[0] if len(values) == 1 else np.concatenate([np.empty(0, np.float32), *values])
    arrays: dict[str, Any] = {name: joined(part) for name, part in parts.items()} | {"values": all_values}
    return RunIndex(**{name: read_only_view(array) for name, array in arrays.items()})


def group_order(products: Sequence[Runs], seen_s: Sequence[Ints]) -> NDArray[np.int64]:
    """Return the runs of some products in order of publication; of two at once, the one that begins later is newer."""
    if len(products) == 1:
        return np.arange(len(seen_s[0]))
    return np.lexsort((joined([runs.first.astype(np.int64) for runs in products]), joined(seen_s)))


def joined(parts: Sequence[Ints]) -> Ints:
    """Return arrays of integers behind one another."""
    return np.concatenate([np.empty(0, np.int64), *parts])


def read_only_view(array: NDArray[Any]) -> NDArray[Any]:
    """Return a view that cannot be written: compiled code is made once, for arrays of one kind."""
    view = array.view()
    view.flags.writeable = False
    return view


@nb.njit(cache=True)
def _windows(seen_s: Ints, end_s: Ints, window_s: int) -> tuple[Ints, Ints]:
    """Return for each run the first one within a time before it, and the latest end of these runs."""
    oldest, reach = np.empty_like(seen_s), np.empty_like(seen_s)
    queue, head, tail, low = np.empty(len(seen_s), np.int64), 0, 0, 0  # runs whose end is later than all after them
    for run in range(len(seen_s)):
        while seen_s[low] < seen_s[run] - window_s:
            low += 1
        while tail > head and end_s[queue[tail - 1]] <= end_s[run]:
            tail -= 1
        queue[tail] = run
        tail += 1
        while queue[head] < low:
            head += 1
        oldest[run], reach[run] = low, end_s[queue[head]]
    return oldest, reach


@nb.njit(cache=True)
def covering_run(index: RunIndex, newest: int, step: int, time_s: int) -> int:
    """Return the newest run up to ``newest`` with a value for the interval that holds a time; -1: none."""
    for run in range(newest, index.oldest[newest] - 1, -1):
        if index.reach_s[run] <= time_s:
            return NONE
        place = index.begin[run] + (time_s - index.first_s[run]) // step
        if index.begin[run] <= place < index.end[run] and not np.isnan(index.values[place]):
            return run
    return NONE


@nb.njit(cache=True)
def intervals(index: RunIndex, newest: int, step: int, begin_s: int, count: int) -> tuple[NDArray[np.float32], Ints]:
    """Return the forecasts of intervals from a time on, NaN where there is none, and the run of each, or -1."""
    values, run_of = np.full(count, np.nan, np.float32), np.full(count, NONE)
    for k in range(count):
        time_s = begin_s + k * step
        run = covering_run(index, newest, step, time_s)
        if run >= 0:
            values[k] = index.values[index.begin[run] + (time_s - index.first_s[run]) // step]
            run_of[k] = run
    return values, run_of


@nb.njit(cache=True)
def forecast(runs: NewestRuns, group: int, row: int, begin_s: int, end_s: int, earlier: int) -> float:
    """Return the mean forecast of a stretch of time; NaN where a group does not cover all of it.

    Args:
        runs: the newest runs.
        group: number of the group; -1: the first one that covers the stretch.
        row: the row at which it is known.
        begin_s: begin of the stretch, seconds after the start of the row.
        end_s: its end.
        earlier: what was known before this many of the newest runs were published; 0: before none.
    """
    low, high = (0, len(runs.step_s)) if group < 0 else (group, group + 1)
    start = runs.start_s[row]
    for g in range(low, high):
        run = runs.run[g, row] - earlier
        if run < runs.base[g]:
            continue
        mean = _stretch(runs.every, run, runs.step_s[g], start + begin_s, start + end_s)
        if not np.isnan(mean):
            return mean
    return np.nan


@nb.njit(cache=True)
def forecast_ahead(runs: NewestRuns, row: int, width_s: int, ahead: Array) -> None:
    """Write the forecast of the k-th stretch after the start of a row to ``ahead[k]``, where there is one.

    Args:
        runs: the newest runs.
        row: the row at which it is known.
        width_s: length of a stretch, seconds.
        ahead: (K,) left as it is where no group covers a stretch.
    """
    start, index = runs.start_s[row], runs.every
    for g in range(len(runs.step_s) - 1, -1, -1):  # the first group comes last, and counts
        run, step = runs.run[g, row], runs.step_s[g]
        if run < 0:
            continue
        values = index.values[index.begin[run] : index.end[run]]
        first = index.first_s[run] - start
        reach = min((index.reach_s[run] - start) // width_s, len(ahead))
        # The newest run covers nearly all, so it comes first.
        low = min(max(-((-first) // width_s), 0), reach)
        high = min((first + len(values) * step) // width_s, reach)
        for k in range(reach):
            mean = np.nan
            if low <= k < high:
                mean = _mean(values, step, k * width_s - first, (k + 1) * width_s - first)
            if np.isnan(mean):
                mean = _stretch(index, run, step, start + k * width_s, start + (k + 1) * width_s)
            if not np.isnan(mean):
                ahead[k] = mean


@nb.njit(cache=True)
def _stretch(index: RunIndex, newest: int, step: int, begin_s: int, end_s: int) -> float:
    """Return the mean from one time to another of what the newest runs say; NaN where they do not cover all of it."""
    if index.reach_s[newest] < end_s:
        return np.nan
    first, values = index.first_s[newest], index.values[index.begin[newest] : index.end[newest]]
    mean = _mean(values, step, begin_s - first, end_s - first)
    if not np.isnan(mean):
        return mean
    total, time_s = 0.0, begin_s
    while time_s < end_s:
        run = covering_run(index, newest, step, time_s)
        if run < 0:
            return np.nan
        place, last = (time_s - index.first_s[run]) // step, end_s
        for other in range(run, newest + 1):  # up to the end of the interval, and to the next one of a newer run
            first = index.first_s[other]
            last = min(last, max(first + ((time_s - first) // step + 1) * step, first))
        total += (last - time_s) * index.values[index.begin[run] + place]
        time_s = last
    return total / (end_s - begin_s)


@nb.njit(cache=True)
def _mean(values: NDArray[np.float32], step: int, begin: int, end: int) -> float:
    """Return the mean of a run from one time to another after its start; NaN where it does not cover all of it."""
    if begin < 0 or end > len(values) * step:
        return np.nan
    k, last = begin // step, (end - 1) // step
    if k == last:
        return float(values[k])
    total = 0.0
    for i in range(k, last + 1):
        total += (min(end, (i + 1) * step) - max(begin, i * step)) * values[i]
    return total / (end - begin)


@nb.njit(cache=True)
def means(runs: NewestRuns, group: int, begin_s: int, end_s: int, earlier: int) -> Array:
    """Return the (T,) ``forecast`` of each row."""
    out = np.empty(len(runs.start_s))
    for row in range(len(out)):
        out[row] = forecast(runs, group, row, begin_s, end_s, earlier)
    return out
