"""Trailing statistics of long series, compiled; row t never sees a later row."""

from __future__ import annotations

import numba as nb
import numpy as np
from numpy.typing import NDArray


@nb.njit(cache=True)
def trailing_mean(values: NDArray[np.float64], window: int) -> NDArray[np.float64]:
    """Return (T,) the mean of the last ``window`` values, of as many as there are at the beginning."""
    means = np.empty_like(values)
    total = 0.0
    for t in range(len(values)):
        total += values[t]
        if t >= window:
            total -= values[t - window]
        # The running sum drifts by rounding; a fresh sum once a window keeps it exact enough for any length.
        if t % window == window - 1:
            total = values[t - window + 1 : t + 1].sum()
        means[t] = total / min(t + 1, window)
    return means


@nb.njit(cache=True)
def trailing_quantiles(values: NDArray[np.float64], window: int, quantiles: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return (T, Q) quantiles of the last ``window`` values, interpolated linearly as NumPy does.

    A sorted copy of the window is kept up: of it moves what lies between the value that goes and the one that comes.
    """
    result = np.empty((len(values), len(quantiles)))
    kept = np.empty(window)
    n = 0
    for t in range(len(values)):
        place = np.searchsorted(kept[:n], values[t])
        if n < window:
            gone = n
            n += 1
        else:
            gone = np.searchsorted(kept, values[t - window])
        if place > gone:
            place -= 1
            for k in range(gone, place):
                kept[k] = kept[k + 1]
        else:
            for k in range(gone, place, -1):
                kept[k] = kept[k - 1]
        kept[place] = values[t]
        for q in range(len(quantiles)):
            position = quantiles[q] * (n - 1)
            low = min(int(position), n - 1)
            high = min(low + 1, n - 1)
            result[t, q] = kept[low] + (position - low) * (kept[high] - kept[low])
    return result
