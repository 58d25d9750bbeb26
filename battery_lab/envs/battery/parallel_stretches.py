"""Policy evaluation: run a policy through a period, exactly, many stretches at a time.

A policy observes its stored energy, so a period must be run in order. But a battery is full or empty about once per
day, and from then on its earlier energy no longer matters. Therefore the period is cut into stretches that are stepped
together, each from a guess of its first energy. Every stretch is then run again from the end of the stretch before it,
until nothing changes. Such a pass ends early, at the interval where all stretches are in the state of the pass before.
The result equals the run in order, because every stretch starts where the one before it ends.
(Parallel in time like parareal, Lions, Maday and Turinici 2001, with the fine propagator only, which is exact once the
starts agree.)

With caps on cycles, a start also has a meter: what was discharged on its day, and since the period began. The latter is
the sum of all stretches before it, which is exact in any order (``cycle_caps``).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from battery_lab.envs.battery.action_set import Actions
from battery_lab.envs.battery.cycle_caps import STRETCH, left_shares, new_meters
from battery_lab.envs.battery.dispatch_problem import DispatchProblem
from battery_lab.envs.interfaces import Actor
from battery_lab.observations.observer import Observer

Array = NDArray[np.float64]
STRETCHES = 128


def run_policy(
    problem: DispatchProblem, actor: Actor, observer: Observer, actions: Actions
) -> tuple[Array, NDArray[Any]]:
    """Run a policy through a problem in order.

    Args:
        problem: the period and the battery.
        actor: maps (N, D) observations to (N,) or (N, K) actions; deterministic.
        observer: computes observations.
        actions: the meaning of the actions.

    Returns:
        (T,) requests in MW, 0 in gaps, and the (T,) or (T, K) actions.
    """
    total = problem.end - problem.first
    length = -(-total // STRETCHES)
    # All stretches have the same length; the last ones reach beyond the end, which is cut off.
    first = np.minimum(problem.first + length * np.arange(STRETCHES), problem.end)
    start, meters = np.full(STRETCHES, problem.battery.energy_start_mwh), new_meters(STRETCHES)
    requested, taken = np.empty((length, STRETCHES)), [np.empty(0)] * length
    # The state before each interval in the pass before. NaN equals nothing.
    energies, meterings = np.full((length, STRETCHES), np.nan), np.empty((length, *meters.shape))
    end, end_meters = start, meters
    for _ in range(STRETCHES + 1):
        energy, metered = start.copy(), meters.copy()
        for t in range(length):
            if np.array_equal(energy, energies[t]) and np.array_equal(metered, meterings[t]):
                break
            energies[t], meterings[t] = energy, metered
            row = np.minimum(first + t, problem.end - 1)
            left = _left(problem, metered, row) if observer.shows_caps else None
            taken[t] = actor(observer(row, energy, left))
            requested[t] = actions.request_mw(taken[t], problem.series.price[row])
            requested[t, problem.series.gap[row]] = 0.0
            energy = _after(problem, row, energy, requested[t], metered)
        else:
            end, end_meters = energy, metered
        reached = np.concatenate([start[:1], end[:-1]])
        counted = np.concatenate([meters[:1], end_meters[:-1]])
        counted[1:, STRETCH] = np.cumsum(end_meters[:-1, STRETCH] - meters[:-1, STRETCH])
        if np.array_equal(reached, start) and np.array_equal(counted, meters):
            break
        start, meters = reached, counted
    chosen = np.stack(taken, axis=1)
    return requested.T.reshape(-1)[:total].copy(), chosen.reshape(-1, *chosen.shape[2:])[:total].copy()


def _left(problem: DispatchProblem, meters: Array, row: NDArray[np.int64]) -> Array:
    """Return the (N, 2) shares that are left of the caps before the rows of N stretches."""
    place = row - problem.first
    return left_shares(meters, place, problem.allowance, problem.elapsed[place])


def _after(problem: DispatchProblem, row: NDArray[np.int64], energy: Array, request_mw: Array, meters: Array) -> Array:
    """Return the (N,) stored energy after an interval of N stretches; updates their (N, 3) meters if there are caps."""
    battery, interval_h = problem.battery, problem.series.interval_h
    if not battery.has_caps:
        return battery.step(energy, request_mw, interval_h)[1]
    return battery.step_within(energy, request_mw, interval_h, row - problem.first, problem.allowance, meters)[1]
