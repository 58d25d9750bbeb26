"""Capped day: values of stored energy at the start of one day with a cap on discharge, and its best schedule."""

from __future__ import annotations

from typing import NamedTuple

import numba as nb
import numpy as np

from battery_lab.envs.battery.cycle_caps import Ints
from battery_lab.envs.battery.delivery import deliver_mwh
from battery_lab.envs.battery.physics import Array
from battery_lab.planning.bellman_backup import bellman_backup, greedy_action, interpolate
from battery_lab.planning.blended_schedules import blend_requests, blend_to_cap
from battery_lab.planning.energy_grid import EnergyGrid, with_throughput_price


class Day(NamedTuple):
    """One day of a battery with a daily cap.

    Attributes:
        price: (T,) prices of the day, currency per MWh.
        value_at_end: (size,) value of stored energy at its end.
        cap_mwh: what it may discharge at the grid connection, MWh.
        grid: the battery on its grid.
        value_after: (T or more, size) value of stored energy after each interval, written by ``value_intervals``.
        work: (4, size) scratch space.
    """

    price: Array
    value_at_end: Array
    cap_mwh: float
    grid: EnergyGrid
    value_after: Array
    work: Array


@nb.njit(cache=True)
def value_intervals(day: Day, multiplier: float) -> None:
    """Write the value after each interval but the last to ``day.value_after``, at a price on throughput."""
    rows, priced = len(day.price), with_throughput_price(day.grid, multiplier)
    day.value_after[rows - 1] = day.value_at_end
    for n in range(rows - 1, 0, -1):
        bellman_backup(day.value_after[n], day.value_after[n - 1], day.work, day.price[n], priced)


@nb.njit(cache=True)
def follow_values(day: Day, multiplier: float, energy_mwh: float, path: Array) -> float:
    """Write the best (T + 1,) path of stored energy for the values after each interval; return the energy sold, MWh."""
    sold, priced = 0.0, with_throughput_price(day.grid, multiplier)
    path[0] = energy_mwh
    for n in range(len(day.price)):
        request = greedy_action(day.value_after[n], path[n], day.price[n], priced)
        delivered, path[n + 1] = deliver_mwh(path[n], request, day.grid.limits)
        sold += max(delivered, 0.0)
    return sold


@nb.njit(cache=True)
def profit_and_value_left(day: Day, energy_mwh: float, request: Array) -> float:
    """Return the profit of (T,) requests in MWh within the cap, and the value of the energy that they leave."""
    grid, left, total = day.grid, day.cap_mwh, 0.0
    for n in range(len(request)):
        delivered, energy_mwh = deliver_mwh(energy_mwh, min(request[n], left), grid.limits)
        left -= max(delivered, 0.0)
        cost = grid.wear_per_mwh if delivered > 0.0 else -grid.grid_fee_per_mwh - grid.wear_per_mwh_charged
        total += (day.price[n] - cost) * delivered
    return total + interpolate(day.value_at_end, (energy_mwh - grid.lowest_mwh) / grid.step_mwh)


@nb.njit(cache=True)
def best_around_cap(day: Day, over: Array, under: Array, request: Array, candidate: Array) -> float:
    """Write the best of three schedules around the cap: a mean of both paths, or one of them, up to the cap.

    Args:
        day: the day.
        over: (T + 1,) path of stored energy that sells more than the cap, MWh.
        under: (T + 1,) path that sells at most the cap.
        request: (T,) requests in MWh, written here.
        candidate: (T,) scratch space.

    Returns:
        Profit and value of the energy left.
    """
    blend_to_cap(request, over, under, day.cap_mwh, day.grid.limits)
    best = profit_and_value_left(day, over[0], request)
    for share in (0.0, 1.0):
        blend_requests(candidate, over, under, share, day.grid.limits)
        total = profit_and_value_left(day, over[0], candidate)
        if total > best:
            best = total
            request[:] = candidate
    return best


@nb.njit(cache=True)
def bound_day(day: Day, multipliers: Array, bound: Array, multiplier_number: Ints) -> None:
    """Write the (size,) upper bounds at the start of a day, and the number of the multiplier that gives each."""
    value = np.empty(day.grid.size)
    for m in range(len(multipliers)):
        value[:] = day.value_at_end
        priced = with_throughput_price(day.grid, multipliers[m])
        for t in range(len(day.price) - 1, -1, -1):
            bellman_backup(value, value, day.work, day.price[t], priced)
        value += multipliers[m] * day.cap_mwh
        lowered = False
        for i in range(day.grid.size):
            if m == 0 or value[i] < bound[i]:
                bound[i], multiplier_number[i], lowered = value[i], m, True
        if not lowered:  # the bound is a convex function of the multiplier
            break


@nb.njit(cache=True)
def attain_day(day: Day, multipliers: Array, sampled: Array, attained: Array, paths: Array, requests: Array) -> None:
    """Write what schedules under the cap earn from some levels at the start of a day, to the end of all days."""
    attained[:] = -np.inf
    is_over = np.zeros(len(sampled), np.bool_)
    for m in range(len(multipliers)):
        value_intervals(day, multipliers[m])
        any_over = False
        for k in range(len(sampled)):
            if m > 0 and not is_over[k]:
                continue
            start, path, before = day.grid.lowest_mwh + sampled[k] * day.grid.step_mwh, paths[0, k], paths[1, k]
            is_over[k] = follow_values(day, multipliers[m], start, path) > day.cap_mwh
            if m == 0 or is_over[k]:
                before[:] = path
            attained[k] = max(attained[k], best_around_cap(day, before, path, requests[0], requests[1]))
            any_over = any_over or is_over[k]
        if not any_over:
            break


@nb.njit(cache=True)
def plan_day(
    day: Day, energy: float, multipliers: Array, guess: int, halvings: int, request: Array, paths: Array
) -> None:
    """Write the requests of one day: bracket its multiplier, halve the bracket, and choose among both sides."""
    over, under, path = paths[0], paths[1], paths[2]
    low = max(guess - 1, 0)
    exceeds = _exceeds_cap(day, multipliers[low], energy, over)
    while not exceeds and low > 0:
        low -= 1
        exceeds = _exceeds_cap(day, multipliers[low], energy, over)
    if not exceeds:
        blend_to_cap(request, over, over, day.cap_mwh, day.grid.limits)
        return
    at_low, at_high = multipliers[low], max(2.0 * multipliers[low], 1.0)
    if low + 1 < len(multipliers):
        at_high = multipliers[low + 1]
    while _exceeds_cap(day, at_high, energy, under):
        over, under = under, over
        low += 1
        at_low, at_high = at_high, multipliers[low + 1] if low + 1 < len(multipliers) else 2.0 * at_high + 1.0
    for _ in range(halvings):
        middle = 0.5 * (at_low + at_high)
        if _exceeds_cap(day, middle, energy, path):
            over, path, at_low = path, over, middle
        else:
            under, path, at_high = path, under, middle
    best_around_cap(day, over, under, request, path[: len(request)])  # the third path is free


@nb.njit(cache=True)
def _exceeds_cap(day: Day, multiplier: float, energy: float, path: Array) -> bool:
    value_intervals(day, multiplier)
    return follow_values(day, multiplier, energy, path) > day.cap_mwh
