"""Policies without learning, which every trained policy is judged beside: one a file."""

from __future__ import annotations

from typing import Protocol

from battery_lab.envs.battery.physics import Array
from battery_lab.envs.battery.problem import DispatchProblem


class Baseline(Protocol):
    """A choice of conf/baseline: a way to dispatch a battery."""

    def requests(self, problem: DispatchProblem) -> Array:
        """Return (T,) the power asked for in MW in each dispatched row of a problem, + discharges.

        A baseline that is not perfect foresight asks by prices known under ``problem.price_lag`` only, and fits on
        training time only. The battery delivers what its limits allow, as for any policy.
        """
