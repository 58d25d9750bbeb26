"""Random dispatch: the lower bound, which charges, holds or discharges at random."""

from __future__ import annotations

from typing import Annotated

import numpy as np
from pydantic import Field

from battery_lab.common.validated_options import Int, options
from battery_lab.envs.battery.dispatch_problem import DispatchProblem
from battery_lab.envs.battery.physics import Array


@options("env.baselines.random")
class RandomDispatch:
    """Charge, hold or discharge at full power with equal probability.

    Attributes:
        seed: seed of the random generator; the same seed gives the same schedule.
    """

    seed: Annotated[Int, Field(ge=0)]

    def requests(self, problem: DispatchProblem) -> Array:
        """Return (T,) random requests in MW."""
        rng = np.random.default_rng(self.seed)
        direction = rng.integers(-1, 2, problem.end - problem.first)
        return direction.astype(np.float64) * problem.battery.power_mw
