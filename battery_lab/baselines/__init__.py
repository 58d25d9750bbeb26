"""Baselines: policies without learning that every trained policy is compared with, one per file."""

from __future__ import annotations

from typing import ClassVar, Protocol, runtime_checkable

from battery_lab.envs.battery.dispatch_problem import DispatchProblem
from battery_lab.envs.battery.physics import Array


class Baseline(Protocol):
    """An option of conf/baseline: a way to dispatch a battery."""

    def requests(self, problem: DispatchProblem) -> Array:
        """Return the (T,) requested power in MW for each dispatched row of a problem, + discharges.

        Apart from perfect foresight, a baseline uses only prices that are known under ``problem.price_lag``, and fits
        to the training period only. With ``problem.bids`` it bids before it knows the price of an interval, and its
        request is what clears (``planning/bid_clearing.py``). As for any policy, the battery delivers what its limits
        allow.
        """


@runtime_checkable
class PricedBaseline(Protocol):
    """A baseline that plans with ``problem.planning_battery``, whose wear includes the throughput price of caps.

    Attributes:
        plans_with_price: True.
    """

    plans_with_price: ClassVar[bool]
