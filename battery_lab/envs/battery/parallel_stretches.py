"""Policy evaluation: run a policy through a period, exactly, many stretches at a time.

A policy observes its stored energy, so a period must be run in order. But a battery is full or empty about once per
day, and from then on its earlier energy no longer matters. Therefore the period is cut into stretches that are stepped
together, each from a guess of its first energy. Every stretch is then run again from the end of the stretch before it,
until nothing changes. The result equals the run in order, because every stretch starts where the one before it ends.
(Parallel in time like parareal, Lions, Maday and Turinici 2001, with the fine propagator only, which is exact once the
starts agree.)
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from battery_lab.envs.battery.action_set import Actions
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
        (T,) requests in MW and the (T,) or (T, K) actions.
    """
    total = problem.end - problem.first
    length = -(-total // STRETCHES)
    # All stretches have the same length; the last ones reach beyond the end, which is cut off.
    first = np.minimum(problem.first + length * np.arange(STRETCHES), problem.end)
    start = np.full(STRETCHES, problem.battery.energy_start_mwh)
    requested, taken = np.empty((length, STRETCHES)), [np.empty(0)] * length
    for _ in range(STRETCHES + 1):
        energy = start.copy()
        for t in range(length):
            row = np.minimum(first + t, problem.end - 1)
            taken[t] = actor(observer(row, energy))
            requested[t] = actions.request_mw(taken[t], problem.series.price[row])
            _, energy = problem.battery.step(energy, requested[t], problem.series.interval_h)
        reached = np.concatenate([start[:1], energy[:-1]])
        if np.array_equal(reached, start):
            break
        start = reached
    chosen = np.stack(taken, axis=1)
    return requested.T.reshape(-1)[:total].copy(), chosen.reshape(-1, *chosen.shape[2:])[:total].copy()
