"""What episodes earned, over fragments."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

Flags = NDArray[np.bool_]


@njit(cache=True, nogil=True)
def finished(
    rewards: NDArray[np.float32],
    valid: Flags,
    ended: Flags,
    returns: NDArray[np.float64],
    lengths: NDArray[np.int64],
) -> Any:
    """Go on with episodes over some rows, and say which ended, in the order in which they did.

    Args:
        rewards: (T, N).
        valid: (T, N) where the row is a transition.
        ended: (T, N) where an episode ended.
        returns: (N,) of the episodes so far; changed.
        lengths: (N,) likewise, transitions.

    Returns:
        (E,) their environments, (E,) their lengths and (E,) their returns.
    """
    count = np.count_nonzero(ended)
    where, found_lengths, found_returns = np.empty(count, np.int64), np.empty(count, np.int64), np.empty(count)
    rows, environments = rewards.shape
    k = 0
    for t in range(rows):
        for n in range(environments):
            if valid[t, n]:
                returns[n] += rewards[t, n]
                lengths[n] += 1
            if ended[t, n]:
                where[k], found_lengths[k], found_returns[k] = n, lengths[n], returns[n]
                returns[n], lengths[n] = 0.0, 0
                k += 1
    return where, found_lengths, found_returns
