"""Blended schedules: a mean of two schedules of stored energy that discharges exactly what a cap allows.

The mean of two feasible paths of stored energy is feasible, and it discharges at most the mean of what they discharge,
because losses make the energy sold a convex function of the fall in stored energy. If two schedules are optimal at the
same price of throughput, one that exceeds a cap and one that keeps it, then so is their mean wherever profit is a
concave function of the move, which it is at prices above zero.
"""

from __future__ import annotations

import numba as nb
import numpy as np

from battery_lab.envs.battery.cycle_caps import Ints
from battery_lab.envs.battery.delivery import Limits
from battery_lab.envs.battery.physics import Array

HALVINGS = 50


@nb.njit(cache=True)
def blend_requests(request: Array, over: Array, under: Array, share: float, limits: Limits) -> float:
    """Write the requests of a mean of two paths of stored energy.

    Args:
        request: (T,) requests in MWh, + sold, written here.
        over: (T + 1,) one path of stored energy, MWh.
        under: (T + 1,) the other.
        share: share of the first path.
        limits: the battery over one interval.

    Returns:
        The energy sold, MWh.
    """
    sold = 0.0
    for t in range(len(request)):
        kept = (under[t] + share * (over[t] - under[t])) * limits.retention
        rise = under[t + 1] + share * (over[t + 1] - under[t + 1]) - kept
        request[t] = -rise / limits.charge_efficiency if rise > 0.0 else -rise * limits.discharge_efficiency
        sold += max(request[t], 0.0)
    return sold


@nb.njit(cache=True)
def blend_to_cap(request: Array, over: Array, under: Array, cap_mwh: float, limits: Limits) -> None:
    """Write the requests of the mean with the largest share of ``over`` that sells at most a cap."""
    low, high = 0.0, 1.0
    if blend_requests(request, over, under, high, limits) <= cap_mwh:
        return
    for _ in range(HALVINGS):
        middle = 0.5 * (low + high)
        if blend_requests(request, over, under, middle, limits) <= cap_mwh:
            low = middle
        else:
            high = middle
    blend_requests(request, over, under, low, limits)


def splice_to_cap(
    over: Array, under: Array, cap_mwh: float, limits: Limits, joints: Ints, tolerance_mwh: float
) -> Array:
    """Return (T,) requests in MWh that follow one path, then a mean of both, then the other, and sell at most a cap.

    Up to the rounding of sums: the battery delivers nothing beyond its cap.

    The mean covers the shortest possible stretch between two joints, so that little is lost where profit is not
    concave.

    Args:
        over: (T + 1,) the path of stored energy that sells more than the cap, MWh.
        under: (T + 1,) the path that sells at most the cap.
        cap_mwh: the cap.
        limits: the battery over one interval.
        joints: (J,) rows at whose start a schedule may change from one path to the other.
        tolerance_mwh: largest difference in stored energy at a joint.
    """
    meet = joints[np.abs(over[joints] - under[joints]) <= tolerance_mwh]
    edges = np.unique(np.concatenate([[0], meet, [len(over) - 1]])).astype(np.int64)
    requests = [np.empty(len(over) - 1) for _ in range(2)]
    blend_requests(requests[0], over, under, 1.0, limits)
    blend_requests(requests[1], over, under, 0.0, limits)
    sold_over, sold_under = (np.concatenate([[0.0], np.cumsum(np.maximum(x, 0.0))])[edges] for x in requests)
    total = sold_over + sold_under[-1] - sold_under  # if the change is there
    fits = total <= cap_mwh
    fits[0] = True  # the whole of the second path; sums in another order may round to more than the cap
    place = int(np.flatnonzero(fits)[-1])
    first, request = edges[place], requests[1].copy()
    request[:first] = requests[0][:first]
    if place < len(edges) - 1:
        part = slice(first, edges[place + 1])
        left = cap_mwh - sold_over[place] - (sold_under[-1] - sold_under[place + 1])
        inside = slice(first, edges[place + 1] + 1)
        blend_to_cap(request[part], over[inside].copy(), under[inside].copy(), left, limits)
    return request
