"""The floor: charge, hold or discharge at random."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from battery_lab.common.errors import require
from battery_lab.envs.battery.physics import Array
from battery_lab.envs.battery.problem import DispatchProblem


@dataclass(frozen=True, kw_only=True)
class Random:
    """Charge, hold or discharge at full power, each as likely.

    Attributes:
        seed: seed of the draws; same seed, same schedule.
    """

    seed: int

    def __post_init__(self) -> None:
        require(self.seed >= 0, "env.baselines.random.seed", "must be 0 or more", self.seed)

    def requests(self, problem: DispatchProblem) -> Array:
        """Return (T,) random requests in MW."""
        rng = np.random.default_rng(self.seed)
        direction = rng.integers(-1, 2, problem.end - problem.first)
        return direction.astype(np.float64) * problem.battery.power_mw
