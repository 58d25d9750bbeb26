"""Baselines: policies without learning that every trained policy is compared with, one per file."""

from __future__ import annotations

from typing import Protocol

from battery_lab.envs.battery.dispatch_problem import DispatchProblem
from battery_lab.envs.battery.physics import Array


class Baseline(Protocol):
    """An option of conf/baseline: a way to dispatch a battery."""

    def requests(self, problem: DispatchProblem) -> Array:
        """Return the (T,) requested power in MW for each dispatched row of a problem, + discharges.

        Apart from perfect foresight, a baseline uses only prices that are known under ``problem.price_lag``, and fits
        to the training period only. With ``problem.bids`` it bids before it knows the price of an interval, and its
        request is what clears (``planning/bid_clearing.py``). As for any policy, the battery delivers what its limits
        allow, caps on cycles included. A plan that does not count what is left of them uses
        ``problem.planning_battery``, whose wear includes a throughput price.
        """
