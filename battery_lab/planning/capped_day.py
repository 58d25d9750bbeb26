"""Capped day: schedules of one day at a price on discharged energy, and the best of them that a daily cap allows."""

from __future__ import annotations

from typing import NamedTuple

import numba as nb

from battery_lab.envs.battery.delivery import deliver_mwh
from battery_lab.envs.battery.physics import Array
from battery_lab.planning.bellman_backup import bellman_backup, greedy_action, interpolate
from battery_lab.planning.blended_schedules import blend_requests, blend_to_cap
from battery_lab.planning.energy_grid import EnergyGrid


class Day(NamedTuple):
    """One day of a battery with a daily cap.

    Attributes:
        price: (T,) prices of the day, currency per MWh.
        after: (size,) value of stored energy at its end.
        cap_mwh: what it may discharge at the grid connection, MWh.
        grid: the battery on its grid.
        inside: (T or more, size) scratch space.
        work: (4, size) scratch space.
    """

    price: Array
    after: Array
    cap_mwh: float
    grid: EnergyGrid
    inside: Array
    work: Array


@nb.njit(cache=True)
def priced_grid(grid: EnergyGrid, multiplier: float) -> EnergyGrid:
    """Return the grid with a price on throughput added to the wear per MWh sold."""
    return EnergyGrid(
        grid.lowest_mwh,
        grid.step_mwh,
        grid.size,
        grid.floor,
        grid.charge,
        grid.discharge,
        grid.bought_mwh,
        grid.sold_mwh,
        grid.grid_fee_per_mwh,
        grid.wear_per_mwh + multiplier,
        grid.wear_per_mwh_charged,
        grid.limits,
    )


@nb.njit(cache=True)
def value_inside(day: Day, multiplier: float) -> None:
    """Write the value after each interval but the last to ``day.inside``, at a price on throughput."""
    rows, priced = len(day.price), priced_grid(day.grid, multiplier)
    day.inside[rows - 1] = day.after
    for n in range(rows - 1, 0, -1):
        bellman_backup(day.inside[n], day.inside[n - 1], day.work, day.price[n], priced)


@nb.njit(cache=True)
def follow(day: Day, multiplier: float, energy_mwh: float, path: Array) -> float:
    """Write the best (T + 1,) path of stored energy for the values inside the day; return the energy sold, MWh."""
    sold, priced = 0.0, priced_grid(day.grid, multiplier)
    path[0] = energy_mwh
    for n in range(len(day.price)):
        request = greedy_action(day.inside[n], path[n], day.price[n], priced)
        delivered, path[n + 1] = deliver_mwh(path[n], request, day.grid.limits)
        sold += max(delivered, 0.0)
    return sold


@nb.njit(cache=True)
def earned(day: Day, energy_mwh: float, request: Array) -> float:
    """Return the profit of (T,) requests in MWh within the cap, and the value of the energy that they leave."""
    grid, left, total = day.grid, day.cap_mwh, 0.0
    for n in range(len(request)):
        delivered, energy_mwh = deliver_mwh(energy_mwh, min(request[n], left), grid.limits)
        left -= max(delivered, 0.0)
        cost = grid.wear_per_mwh if delivered > 0.0 else -grid.grid_fee_per_mwh - grid.wear_per_mwh_charged
        total += (day.price[n] - cost) * delivered
    return total + interpolate(day.after, (energy_mwh - grid.lowest_mwh) / grid.step_mwh)


@nb.njit(cache=True)
def best_of_both(day: Day, over: Array, under: Array, request: Array, other: Array) -> float:
    """Choose among schedules around the cap: a mean of both paths, one of them, or the other up to the cap.

    Args:
        day: the day.
        over: (T + 1,) path of stored energy that sells more than the cap, MWh.
        under: (T + 1,) path that sells at most the cap.
        request: (T,) requests in MWh, written here.
        other: (T,) scratch space.

    Returns:
        Profit and value of the energy left.
    """
    blend_to_cap(request, over, under, day.cap_mwh, day.grid.limits)
    best = earned(day, over[0], request)
    for share in (0.0, 1.0):
        blend_requests(other, over, under, share, day.grid.limits)
        worth = earned(day, over[0], other)
        if worth > best:
            best = worth
            request[:] = other
    return best
