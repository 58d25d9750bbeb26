"""Dispatch result: one policy over one period, interval by interval, and its metrics."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from battery_lab.envs.battery.dispatch_problem import DispatchProblem
from battery_lab.envs.battery.transition import Transition


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
    def replay(cls, problem: DispatchProblem, request_mw: NDArray[np.float64]) -> Dispatch:
        """Run (T,) requests in MW through the physics, from the battery's ``soc_start``."""
        series = problem.dispatched
        power, stored = problem.battery.run(request_mw, series.interval_h, allowance=problem.allowance)
        transition = Transition(
            row=np.arange(problem.first, problem.end),
            price=series.price,
            request_mw=np.asarray(request_mw, np.float64),
            power_mw=power,
            energy_mwh=stored[:-1],
            energy_after_mwh=stored[1:],
            interval_h=series.interval_h,
            battery=problem.battery,
        )
        return cls(problem=problem, transition=transition)

    def metrics(self) -> dict[str, float]:
        """Return profit and revenue per day in the market's currency, and equivalent full cycles per day."""
        transition, battery = self.transition, self.problem.battery
        days = self.problem.dispatched.days
        throughput_mwh = float(transition.sold_mwh.sum()) / battery.discharge_efficiency
        return {
            "profit_per_day": float(transition.profit.sum()) / days,
            "revenue_per_day": float(transition.revenue.sum()) / days,
            "equivalent_full_cycles_per_day": throughput_mwh / battery.capacity_mwh / days,
        }

    def frame(self) -> pd.DataFrame:
        """Return one row per interval, in the market's currency, MW and MWh."""
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
            }
        )
