"""Perfect foresight: the upper bound, which knows all prices."""

from __future__ import annotations

import math

from battery_lab.common.validated_options import options
from battery_lab.envs.battery.dispatch_problem import DispatchProblem
from battery_lab.envs.battery.physics import Array
from battery_lab.planning.capped_optimum import capped_plan
from battery_lab.planning.perfect_foresight import plan


@options("env.baselines.perfect_foresight")
class PerfectForesight:
    """Dispatch at any power, with all prices of the dispatched rows known. Capture is profit relative to its profit.

    Caps on cycles bind it as any policy, and so do gaps, in which it is idle.
    """

    def requests(self, problem: DispatchProblem) -> Array:
        """Return the (T,) optimal requests in MW."""
        return self.bounded_requests(problem)[0]

    def bounded_requests(self, problem: DispatchProblem) -> tuple[Array, float]:
        """Return the (T,) optimal requests in MW, and the most that any schedule earns, in the market's currency.

        The bound is NaN without caps on cycles: then the schedule is optimal.
        """
        price, battery, interval_h = problem.dispatched.price, problem.battery, problem.series.interval_h
        if battery.has_caps:
            capped = capped_plan(price, battery, interval_h, problem.allowance.day, problem.idle)
            return capped.request_mw, capped.upper_bound
        return plan(price, battery, interval_h, problem.idle).request_mw, math.nan
