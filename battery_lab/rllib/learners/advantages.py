"""Generalised advantage estimation on whole arrays."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

Float32 = NDArray[np.float32]


@njit(cache=True, nogil=True)
def generalised_advantage_estimates(
    rewards: Float32,
    values: Float32,
    terminated: NDArray[np.bool_],
    ended: NDArray[np.bool_],
    valid: NDArray[np.bool_],
    gamma: float,
    gae_lambda: float,
) -> Any:
    """Return the advantages of all transitions, (T, N) (Schulman et al. 2016, equation 16).

    A row without a transition has the advantage 0. Where an episode was truncated, and at the last row, the value of
    the next observation stands for the remaining rewards.

    Args:
        rewards: (T, N).
        values: (T + 1, N), of the observations.
        terminated: (T, N), where no value follows.
        ended: (T, N), where an episode terminated or was truncated.
        valid: (T, N), where the row is a transition.
        gamma: discount per row.
        gae_lambda: lambda of GAE, from 0 (one step) to 1 (all steps).
    """
    rows, environments = rewards.shape
    advantages = np.zeros((rows, environments), np.float32)
    running = np.zeros(environments, np.float64)
    for t in range(rows - 1, -1, -1):
        for n in range(environments):
            if not valid[t, n]:
                running[n] = 0.0
                continue
            following = 0.0 if terminated[t, n] else values[t + 1, n]
            error = rewards[t, n] + gamma * following - values[t, n]
            running[n] = error + (0.0 if ended[t, n] else gamma * gae_lambda * running[n])
            advantages[t, n] = running[n]
    return advantages
