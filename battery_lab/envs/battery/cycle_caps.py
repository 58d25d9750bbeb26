"""Caps on cycles: allowances of discharged energy, and the meter that counts it, for compiled code.

Discharged energy counts at the grid connection. The meter counts in units of 2^-28 MWh, rounded up, and allowances are
rounded down to such units. Sums of them are exact in any order up to 33 million MWh, so a period that is evaluated in
parts gives the same result to the bit as one that is evaluated in order.
"""

from __future__ import annotations

from typing import NamedTuple

import numba as nb
import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Ints = NDArray[np.int64]
DAYS_PER_YEAR = 365
METER_MWH = 2.0**-28
DAY, TODAY, STRETCH = 0, 1, 2  # columns of a meter
NO_DAY = -1.0


class Allowance(NamedTuple):
    """Energy that a battery may discharge at the grid connection on a stretch of T intervals.

    Attributes:
        day: (T,) number of the local day of each interval.
        day_mwh: largest discharge per local day, MWh; inf without a cap.
        stretch_mwh: largest discharge on the whole stretch, MWh; inf without a cap.
        year_mwh: largest discharge in 365 days, which ``stretch_mwh`` is pro rata to, MWh; inf without a cap.
        interval_years: length of an interval as a fraction of 365 days.
    """

    day: Ints
    day_mwh: float
    stretch_mwh: float
    year_mwh: float
    interval_years: float


def whole_units(mwh: float) -> float:
    """Return an allowance rounded down to whole units of the meter."""
    return float(np.floor(mwh / METER_MWH) * METER_MWH)


def new_meters(count: int) -> Array:
    """Return (N, 3) meters that read zero: number of the day, MWh discharged on it, MWh discharged on the stretch."""
    return np.tile([NO_DAY, 0.0, 0.0], (count, 1))


@nb.njit(cache=True)
def left_mwh(meter: Array, row: int, allowance: Allowance) -> float:
    """Return the energy that may still be discharged in an interval; resets the day's meter where a new day begins.

    Args:
        meter: (3,) meter of one battery.
        row: the interval, a row of ``allowance.day``.
        allowance: the caps.
    """
    day = float(allowance.day[row])
    if meter[DAY] != day:
        meter[DAY], meter[TODAY] = day, 0.0
    left: float = max(min(allowance.day_mwh - meter[TODAY], allowance.stretch_mwh - meter[STRETCH]), 0.0)
    return left


@nb.njit(cache=True)
def count_mwh(meter: Array, delivered_mwh: float) -> None:
    """Add the energy delivered in an interval, + sold, to a (3,) meter; energy bought does not count."""
    if delivered_mwh > 0.0:
        metered = np.ceil(delivered_mwh / METER_MWH) * METER_MWH
        meter[TODAY] += metered
        meter[STRETCH] += metered


@nb.njit(cache=True)
def _left_shares(meters: Array, row: Ints, elapsed: Ints, allowance: Allowance) -> Array:
    shares = np.empty((len(row), 2))
    for n in range(len(row)):
        today = meters[n, TODAY] if meters[n, DAY] == allowance.day[row[n]] else 0.0
        shares[n, 0] = 1.0 - today / allowance.day_mwh
        # Not the fraction left of the stretch's allowance: episodes and evaluated periods differ in length.
        steady = elapsed[n] * allowance.interval_years if allowance.year_mwh < np.inf else 0.0
        shares[n, 1] = steady - meters[n, STRETCH] / allowance.year_mwh
    return shares


def left_shares(meters: Array, row: Ints, allowance: Allowance, elapsed: Ints | None = None) -> Array:
    """Return (N, 2) numbers that say what is left of the caps; 1 and 0 without caps.

    The first is the fraction left of the day's allowance. The second is what was saved so far, compared with a use that
    is the same in every interval, as a fraction of the yearly cap: below 0, more was used.

    Args:
        meters: (N, 3) meters before the interval.
        row: (N,) the interval of each battery, a row of ``allowance.day``.
        allowance: the caps.
        elapsed: (N,) number of intervals, without gaps, since each battery's stretch began; ``row`` if None.
    """
    return np.asarray(_left_shares(meters, row, row if elapsed is None else elapsed, allowance))


@nb.njit(cache=True)
def _meter_path(delivered_mwh: Array, meter: Array) -> Array:
    path = np.empty((len(delivered_mwh), len(meter)))
    for t in range(len(delivered_mwh)):
        path[t] = meter
        count_mwh(meter, delivered_mwh[t])
    return path


def shares_before(delivered_mwh: Array, allowance: Allowance, elapsed: Ints | None = None) -> Array:
    """Return the (T, 2) ``left_shares`` before each interval of a stretch with (T,) deliveries, + sold.

    Args:
        delivered_mwh: (T,) energy delivered in each interval.
        allowance: the caps.
        elapsed: (T,) number of intervals, without gaps, before each of them; None: no interval is in a gap.
    """
    edges = np.concatenate([[0], np.flatnonzero(np.diff(allowance.day)) + 1, [len(allowance.day)]])
    path = _meter_path(np.asarray(delivered_mwh, np.float64), new_meters(1)[0])
    # Within a day, the day's meter is what the stretch's meter has counted since midnight.
    first = np.repeat(edges[:-1], np.diff(edges))
    path[:, TODAY] = path[:, STRETCH] - path[first, STRETCH]
    path[:, DAY] = allowance.day
    return left_shares(path, np.arange(len(path)), allowance, elapsed)
