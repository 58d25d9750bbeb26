"""Marginal bids: the prices at which storing or selling energy is worth as much as holding it.

A trading desk bids the marginal value of stored energy: it buys if a MWh costs less than it will be worth, and sells if
a MWh earns more. Given the value of stored energy at the end of an interval, these two prices follow from one full
charge and one full discharge (the opportunity value of Zheng et al. 2022, "Energy Storage Price Arbitrage via
Opportunity Value Function Prediction", arXiv 2211.07797).
"""

from __future__ import annotations

import numba as nb
import numpy as np

from battery_lab.envs.battery.physics import Array
from battery_lab.planning.bellman_backup import interpolate
from battery_lab.planning.bid_clearing import cleared
from battery_lab.planning.energy_grid import EnergyGrid

MIN_MOVE = 1e-6  # levels; shorter moves are rounding errors


@nb.njit(cache=True)
def marginal_bids(after: Array, energy_mwh: float, grid: EnergyGrid) -> tuple[float, float]:
    """Return the highest price to buy at and the lowest price to sell at, currency per MWh at the grid connection.

    Args:
        after: (size,) value of stored energy at the end of the interval.
        energy_mwh: stored energy at its start.
        grid: the battery on its grid.

    Returns:
        The bid, -inf if the store is full, and the offer, inf if it is empty.
    """
    at = (energy_mwh * grid.limits.retention - grid.lowest_mwh) / grid.step_mwh
    here, bid, offer = interpolate(after, at), -np.inf, np.inf
    rise = min(at + grid.charge, grid.size - 1.0) - at
    if rise > MIN_MOVE:
        bid = (interpolate(after, at + rise) - here) / (rise * grid.bought_mwh) - grid.grid_fee_per_mwh
        bid -= grid.wear_per_mwh_charged
    fall = at - max(at - grid.discharge, float(grid.floor))
    if fall > MIN_MOVE:
        offer = (here - interpolate(after, at - fall)) / (fall * grid.sold_mwh) + grid.wear_per_mwh
    return bid, offer


@nb.njit(cache=True)
def cleared_mwh(after: Array, energy_mwh: float, price: float, grid: EnergyGrid) -> float:
    """Return the cleared request of marginal bids at the grid connection in MWh, + sold.

    Args:
        after: (size,) value of stored energy at the end of the interval, estimated before its price is known.
        energy_mwh: stored energy at its start.
        price: the price that clears the bids.
        grid: the battery on its grid.
    """
    bid, offer = marginal_bids(after, energy_mwh, grid)
    request: float = cleared(bid, offer, price) * grid.limits.power_mwh
    return request


@nb.njit(cache=True)
def contingent_bids(after: Array, edges: Array, energy_mwh: float, grid: EnergyGrid) -> tuple[float, float]:
    """Return bid and offer if the value of stored energy depends on the price that clears them.

    The bid is where buying stops, from the lowest price upwards; the offer is where selling stops, from the highest
    price downwards. A bin between two equal edges holds no price and does not count.

    Args:
        after: (B, size) value of stored energy at the end of the interval, for each bin of its price.
        edges: (B - 1,) upper edge of each bin except the last, which is in the bin; currency per MWh.
        energy_mwh: stored energy at its start.
        grid: the battery on its grid.
    """
    bid, offer, last = -np.inf, np.inf, len(after) - 1
    for b in range(last + 1):
        if 0 < b < last and edges[b - 1] >= edges[b]:
            continue
        worth, _ = marginal_bids(after[b], energy_mwh, grid)
        if b < last and worth >= edges[b]:
            bid = np.nextafter(edges[b], np.inf)
            continue
        bid = max(bid, worth)
        break
    for b in range(last, -1, -1):
        if 0 < b < last and edges[b - 1] >= edges[b]:
            continue
        _, worth = marginal_bids(after[b], energy_mwh, grid)
        if b > 0 and worth <= edges[b - 1]:
            offer = np.nextafter(edges[b - 1], np.inf)
            continue
        offer = min(offer, worth)
        break
    return bid, offer
