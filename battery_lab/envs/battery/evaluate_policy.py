"""A policy that looks at its own stored energy, run through a period: exact, and many stretches at a time.

The energy at the end of one interval is the energy at the start of the next, so that a period is run in order. But a
battery is full or empty every day or so, and from then on it no longer matters where it began. So the period is cut
into stretches that are stepped together, each from a guess of its first energy; then each begins again from where the
stretch before it ended, until nothing changes. What is left is the run in order: every stretch begins where the one
before ended. (Parallel in time as parareal, Lions, Maday and Turinici 2001, with the fine propagator alone, which is
exact once the starts agree.)
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from battery_lab.envs.base import Actor
from battery_lab.envs.battery.actions import ActionSet
from battery_lab.envs.battery.problem import DispatchProblem
from battery_lab.observations.observation_set import Observer

Array = NDArray[np.float64]
STRETCHES = 128


def requests(problem: DispatchProblem, actor: Actor, observer: Observer, actions: ActionSet) -> Array:
    """Return (T,) MW that a policy asks for in each interval of the problem, run in order.

    Args:
        problem: the period and the battery.
        actor: (N, D) observations to (N,) or (N, 1) actions; deterministic.
        observer: what the policy sees.
        actions: what its actions mean.
    """
    total = problem.end - problem.first
    length = -(-total // STRETCHES)
    # All stretches are equally long; the last ones overlap the end and are cut there.
    first = np.minimum(problem.first + length * np.arange(STRETCHES), problem.end)
    start = np.full(STRETCHES, problem.battery.energy_start_mwh)
    asked = np.empty((length, STRETCHES))
    for _ in range(STRETCHES + 1):
        energy = start.copy()
        for t in range(length):
            row = np.minimum(first + t, problem.end - 1)
            asked[t] = actions.request_mw(actor(observer(row, energy)))
            _, energy = problem.battery.step(energy, asked[t], problem.series.interval_h)
        reached = np.concatenate([start[:1], energy[:-1]])
        if np.array_equal(reached, start):
            break
        start = reached
    return asked.T.reshape(-1)[:total].copy()
