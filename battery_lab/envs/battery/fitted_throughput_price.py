"""Fitted throughput price: what a battery with caps on cycles pays per MWh discharged in plans and in training.

A plan that does not know how much of a cap is left needs a price instead: a MWh discharged costs it what it could earn
at another time. The price is that at which perfect foresight, on the last year of the training period and without caps,
discharges in the mean what the caps allow. Gaps do not count. It is never part of the accounts.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from battery_lab.baselines.perfect_foresight import PerfectForesight
from battery_lab.envs.battery.baseline_cache import cached_numbers
from battery_lab.envs.battery.cycle_caps import DAYS_PER_YEAR
from battery_lab.envs.battery.dispatch_problem import DispatchProblem
from battery_lab.envs.battery.physics import Array, Battery
from battery_lab.planning.perfect_foresight import plan
from battery_lab.planning.throughput_price import fit_throughput_price

FITTED_DAYS = 365


def fitted_throughput_price(cache: str, problem: DispatchProblem) -> float:
    """Return the throughput price of a market and battery, computed once; 0 without caps.

    Args:
        cache: folder of stored results.
        problem: a problem with this battery; its training period is fitted to.
    """
    if not problem.battery.has_caps:
        return 0.0
    # A year that ends with a gap, or is one, would have few prices to fit to, or none.
    end = int(np.flatnonzero(~problem.training.gap)[-1]) + 1
    rows = min(FITTED_DAYS * problem.series.intervals_per_day, end)
    fitted = replace(problem, first=end - rows, end=end, price_lag=0, bids=False)

    def fit() -> Array:
        return np.array([_fit(fitted)])

    return float(cached_numbers(cache, "throughput_price", PerfectForesight(), fitted, (1,), fit)[0])


def _fit(problem: DispatchProblem) -> float:
    series, battery = problem.dispatched, problem.battery

    def sold_mwh(price: float) -> float:
        request = plan(series.price, battery.priced(price), series.interval_h, problem.idle).request_mw
        return float(np.maximum(request, 0.0).sum()) * series.interval_h

    return fit_throughput_price(sold_mwh, _cycles_per_day(battery) * battery.capacity_mwh * problem.days)


def _cycles_per_day(battery: Battery) -> float:
    """Return what both caps allow in the mean of many days."""
    of_day, of_year = battery.max_cycles_per_day, battery.max_cycles_per_year
    return min(
        np.inf if of_day is None else of_day,
        np.inf if of_year is None else of_year / DAYS_PER_YEAR,
    )
