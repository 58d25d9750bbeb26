"""Rolling statistics of a series: means and quantiles that never use a later value."""

from __future__ import annotations

import numba as nb
import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


@nb.njit(cache=True)
def rolling_mean(values: Array, window: int) -> Array:
    """Return the (T,) mean of the last ``window`` values up to and including each row.

    The first rows use as many values as there are.
    """
    means = np.empty_like(values)
    total = 0.0
    for t in range(len(values)):
        total += values[t]
        if t >= window:
            total -= values[t - window]
        # Rounding makes the running sum drift. A fresh sum once per window keeps it exact enough for any length.
        if t % window == window - 1:
            total = values[t - window + 1 : t + 1].sum()
        means[t] = total / min(t + 1, window)
    return means


def mean_before(values: Array, window: int) -> Array:
    """Return the (T + 1,) mean of the last ``window`` values before each row, excluding the row; 0 before the first.

    Row T comes after the last value: it is the end of the last interval.
    """
    total = np.concatenate(([0.0], np.cumsum(values)))
    row = np.arange(len(total))
    first = np.maximum(row - window, 0)
    return np.asarray((total - total[first]) / np.maximum(row - first, 1))


@nb.njit(cache=True)
def rolling_quantiles(values: Array, window: int, quantiles: Array) -> Array:
    """Return (T, Q) quantiles of the last ``window`` values, interpolated linearly as in NumPy.

    The function keeps a sorted copy of the window. Each step moves only the entries between the value that leaves the
    window and the value that enters it.
    """
    result = np.empty((len(values), len(quantiles)))
    ordered = np.empty(window)
    n = 0
    for t in range(len(values)):
        place = np.searchsorted(ordered[:n], values[t])
        if n < window:
            removed = n
            n += 1
        else:
            removed = np.searchsorted(ordered, values[t - window])
        if place > removed:
            place -= 1
            for k in range(removed, place):
                ordered[k] = ordered[k + 1]
        else:
            for k in range(removed, place, -1):
                ordered[k] = ordered[k - 1]
        ordered[place] = values[t]
        for q in range(len(quantiles)):
            position = quantiles[q] * (n - 1)
            low = min(int(position), n - 1)
            high = min(low + 1, n - 1)
            result[t, q] = ordered[low] + (position - low) * (ordered[high] - ordered[low])
    return result
