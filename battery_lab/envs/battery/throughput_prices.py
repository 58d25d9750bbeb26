"""Throughput prices of a world: the prices on discharged energy that make causal plans keep caps on cycles in the mean.

A plan that does not know how much of a cap is left needs a price instead: MWh discharged cost it as much as they could
earn elsewhere. A price is fitted so that the discharge on the last year of the training period, without caps, is at
most what the caps allow in the mean. It is used in planning and training only, and never in the accounts.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from battery_lab.baselines import Baseline, PricedBaseline
from battery_lab.baselines.perfect_foresight import PerfectForesight
from battery_lab.envs.battery.baseline_cache import cached_numbers
from battery_lab.envs.battery.cycle_caps import DAYS_PER_YEAR
from battery_lab.envs.battery.dispatch_problem import DispatchProblem
from battery_lab.envs.battery.physics import Array
from battery_lab.planning.throughput_price import fit_throughput_price

FITTED_DAYS = 365


@dataclass(frozen=True, kw_only=True)
class ThroughputPrices:
    """The throughput prices of one market and battery, fitted when they are first needed.

    Attributes:
        problem: a problem whose training period they are fitted to.
        cache: folder of stored results.
    """

    problem: DispatchProblem
    cache: str

    @cached_property
    def learner(self) -> float:
        """The price for learners and for hindsight values: that of perfect foresight."""
        return self._fitted("perfect_foresight", PerfectForesight())

    def of(self, name: str, baseline: Baseline) -> float:
        """Return the price for a baseline, from its own discharge; 0 for one that does not plan with a price."""
        return self._fitted(name, baseline) if isinstance(baseline, PricedBaseline) else 0.0

    def _fitted(self, name: str, baseline: Baseline) -> float:
        battery = self.problem.battery
        if not battery.has_caps:
            return 0.0
        problem, cap_mwh = self._fitting_problem, self._cap_mwh
        key = (name, baseline, cap_mwh)

        def sold_mwh(price: float) -> float:
            dearer = replace(problem, battery=battery.priced(price))
            power, _ = dearer.battery.run(baseline.requests(dearer), problem.series.interval_h)
            return float(np.maximum(power, 0.0).sum()) * problem.series.interval_h

        def fit() -> Array:
            return np.array([fit_throughput_price(sold_mwh, cap_mwh)])

        return float(cached_numbers(self.cache, "throughput_price", key, baseline, problem, (1,), fit)[0])

    @cached_property
    def _fitting_problem(self) -> DispatchProblem:
        problem = self.problem
        rows = min(FITTED_DAYS * problem.series.intervals_per_day, problem.train_end)
        free = problem.battery.priced(0.0)
        return replace(problem, battery=free, first=problem.train_end - rows, end=problem.train_end)

    @property
    def _cap_mwh(self) -> float:
        """What the caps allow on the fitted rows, in the mean."""
        battery, days = self.problem.battery, self._fitting_problem.dispatched.days
        caps = [battery.max_cycles_per_day or np.inf, (battery.max_cycles_per_year or np.inf) / DAYS_PER_YEAR]
        return min(caps) * battery.capacity_mwh * days
