"""Baselines: policies without learning that every trained policy is compared with, one per file."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

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


@runtime_checkable
class BoundedBaseline(Baseline, Protocol):
    """A baseline that plans with all prices known, and knows the most that any schedule can earn."""

    def bounded_requests(self, problem: DispatchProblem) -> tuple[Array, float]:
        """Return the (T,) requests in MW, and an upper bound of profit in the market's currency; NaN if it has none."""
