"""Random dispatch: charges, holds or discharges at random, or bids random prices; a reference for other policies."""

from __future__ import annotations

from typing import Annotated

import numpy as np
from pydantic import Field

from battery_lab.common.validated_options import Highest, Int, options
from battery_lab.envs.battery.dispatch_problem import DispatchProblem
from battery_lab.envs.battery.physics import Array
from battery_lab.planning.bid_clearing import clear


@options("env.baselines.random")
class RandomDispatch:
    """Charge, hold or discharge at full power with equal probability. Bids are two random prices of the training time.

    Attributes:
        seed: seed of the random generator; the same seed gives the same schedule.
    """

    seed: Annotated[Int, Field(ge=0), Highest(2**63 - 1)]

    def requests(self, problem: DispatchProblem) -> Array:
        """Return (T,) random requests in MW."""
        rng = np.random.default_rng(self.seed)
        if problem.bids:
            training = problem.training
            prices = training.price[~training.gap]
            bid, offer = np.sort(rng.choice(prices, (2, problem.end - problem.first)), axis=0)
            return clear(bid, offer, problem.dispatched.price, problem.battery.power_mw)
        direction = rng.integers(-1, 2, problem.end - problem.first)
        return direction.astype(np.float64) * problem.battery.power_mw
