"""The ceiling: every price known."""

from __future__ import annotations

from dataclasses import dataclass

from battery_lab.envs.battery.physics import Array
from battery_lab.envs.battery.problem import DispatchProblem
from battery_lab.planning.perfect_foresight import plan


@dataclass(frozen=True, kw_only=True)
class PerfectForesight:
    """Dispatch at any power with every price of the dispatched rows known: what capture is a share of."""

    def requests(self, problem: DispatchProblem) -> Array:
        """Return (T,) the best requests in MW."""
        return plan(problem.dispatched.price, problem.battery, problem.series.interval_h).request_mw
