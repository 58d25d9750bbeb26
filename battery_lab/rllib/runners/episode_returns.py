"""Episode returns: sums of rewards over episodes that span several fragments."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

Flags = NDArray[np.bool_]


@njit(cache=True, nogil=True)
def finished_episodes(
    rewards: NDArray[np.float32],
    valid: Flags,
    ended: Flags,
    returns: NDArray[np.float64],
    lengths: NDArray[np.int64],
) -> Any:
    """Add rows to the episodes in progress, and return the episodes that ended, in order of their ends.

    Args:
        rewards: (T, N).
        valid: (T, N) whether the row is a transition.
        ended: (T, N) whether an episode ended.
        returns: (N,) returns of the episodes in progress; updated in place.
        lengths: (N,) their lengths in transitions; updated in place.

    Returns:
        Environments, lengths and returns of the E finished episodes, (E,) each.
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
