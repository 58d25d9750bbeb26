"""Perfect foresight: the upper bound, which knows all prices."""

from __future__ import annotations

from battery_lab.common.validated_options import options
from battery_lab.envs.battery.dispatch_problem import DispatchProblem
from battery_lab.envs.battery.physics import Array
from battery_lab.planning.perfect_foresight import plan


@options("env.baselines.perfect_foresight")
class PerfectForesight:
    """Dispatch at any power, with all prices of the dispatched rows known. Capture is profit relative to its profit."""

    def requests(self, problem: DispatchProblem) -> Array:
        """Return the (T,) optimal requests in MW."""
        return plan(problem.dispatched.price, problem.battery, problem.series.interval_h).request_mw
