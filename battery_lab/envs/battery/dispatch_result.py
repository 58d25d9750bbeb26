"""Dispatch result: one policy over one period, interval by interval, and its metrics."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from battery_lab.envs.battery.dispatch_arrays import DispatchArrays
from battery_lab.envs.battery.dispatch_invariants import check_dispatch
from battery_lab.envs.battery.dispatch_problem import DispatchProblem
from battery_lab.envs.battery.physics import Battery
from battery_lab.envs.battery.transition_accounts import Transition

DAILY_CAP_LABELS = {"max_cycles_in_a_day": "most cycles in a day", "daily_cap_used": "daily cap used, mean"}
YEARLY_CAP_LABELS = {"yearly_cap_used": "yearly cap used"}


def cap_labels(battery: Battery) -> dict[str, str]:
    """Return the metrics of those caps on cycles that a battery has, and their labels."""
    daily = DAILY_CAP_LABELS if battery.max_cycles_per_day is not None else {}
    return daily | (YEARLY_CAP_LABELS if battery.max_cycles_per_year is not None else {})


@dataclass(frozen=True, kw_only=True)
class Dispatch:
    """The dispatch of one battery by one policy.

    Attributes:
        problem: the battery and the stretch of market time.
        transition: all intervals of the period, (T,) arrays.
    """

    problem: DispatchProblem
    transition: Transition

    @classmethod
    def replay(cls, problem: DispatchProblem, request_mw: NDArray[np.float64], name: str = "the policy") -> Dispatch:
        """Run (T,) requests in MW through the physics, from the battery's ``soc_start``, idle in gaps.

        Args:
            problem: the battery and the stretch of market time.
            request_mw: (T,) requested power, + discharges.
            name: whose requests these are, for errors.

        Raises:
            DispatchError: a request is no number, or the dispatch breaks an invariant of ``dispatch_invariants``.
        """
        series, request_mw = problem.dispatched, np.where(problem.idle, 0.0, request_mw)
        power, stored = problem.battery.run(request_mw, series.interval_h, allowance=problem.allowance)
        transition = Transition(
            row=np.arange(problem.first, problem.end),
            price=series.price,
            request_mw=request_mw,
            power_mw=power,
            energy_mwh=stored[:-1],
            energy_after_mwh=stored[1:],
            interval_h=series.interval_h,
            battery=problem.battery,
        )
        dispatch = cls(problem=problem, transition=transition)
        check_dispatch(dispatch.arrays(), problem.battery, name)
        return dispatch

    def arrays(self) -> DispatchArrays:
        """Return the dispatch as plain arrays, for the check of its invariants."""
        problem, done = self.problem, self.transition
        return DispatchArrays(
            interval_h=done.interval_h,
            start_mwh=problem.battery.energy_start_mwh,
            price=done.price,
            request_mw=done.request_mw,
            power_mw=done.power_mw,
            energy_mwh=done.energy_mwh,
            energy_after_mwh=done.energy_after_mwh,
            sold_mwh=done.sold_mwh,
            bought_mwh=done.bought_mwh,
            idle=problem.idle,
            day=problem.allowance.day,
            revenue=done.revenue,
            wear=done.wear,
            grid_fee=done.grid_fee,
            profit=done.profit,
        )

    def metrics(self) -> dict[str, float]:
        """Return profit and revenue per day in the market's currency, cycles per day, and what is used of caps.

        Days are counted without gaps.
        """
        transition, battery = self.transition, self.problem.battery
        days = self.problem.days
        throughput_mwh = float(transition.sold_mwh.sum()) / battery.discharge_efficiency
        return {
            "profit_per_day": float(transition.profit.sum()) / days,
            "revenue_per_day": float(transition.revenue.sum()) / days,
            "equivalent_full_cycles_per_day": throughput_mwh / battery.capacity_mwh / days,
            **(self._cap_metrics() if battery.has_caps else {}),
        }

    def gap_metrics(self, bound: float) -> dict[str, float]:
        """Return the fraction of an upper bound of profit that this dispatch may fall short of it; none if NaN."""
        if math.isnan(bound):
            return {}
        return {"duality_gap": (bound - float(self.transition.profit.sum())) / bound if bound > 0 else 0.0}

    def _cap_metrics(self) -> dict[str, float]:
        """Return the most cycles in a local day, and fractions of the caps used: the mean of all days, and the year."""
        allowance, battery, sold = self.problem.allowance, self.problem.battery, self.transition.sold_mwh
        day = allowance.day - allowance.day[0]
        per_day = np.bincount(day, sold)[np.bincount(day, ~self.problem.idle) > 0]
        metrics = {
            "max_cycles_in_a_day": float(per_day.max()) / battery.capacity_mwh,
            "daily_cap_used": float(per_day.mean()) / allowance.day_mwh,
            "yearly_cap_used": float(sold.sum()) / allowance.stretch_mwh,
        }
        return {name: metrics[name] for name in cap_labels(battery)}

    def frame(self) -> pd.DataFrame:
        """Return one row per interval, in the market's currency, MW and MWh.

        ``filled`` marks prices that repeat the last one. In a ``gap``, the price or another column is
        missing; a price that is missing is the last one before it.
        """
        transition = self.transition
        return pd.DataFrame(
            {
                "start": pd.DatetimeIndex(self.problem.dispatched.start).tz_localize("UTC"),
                "local_start": self.problem.dispatched.local_start,
                "price": transition.price,
                "request_mw": transition.request_mw,
                "power_mw": transition.power_mw,
                "energy_mwh": transition.energy_mwh,
                "soc": transition.energy_mwh / self.problem.battery.capacity_mwh,
                "revenue": transition.revenue,
                "wear": transition.wear,
                "grid_fee": transition.grid_fee,
                "profit": transition.profit,
                "filled": self.problem.dispatched.is_filled,
                "gap": self.problem.idle,
            }
        )
