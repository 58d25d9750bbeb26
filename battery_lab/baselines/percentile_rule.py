"""Percentile rule: buy at low and sell at high percentiles of recent prices."""

from __future__ import annotations

from typing import Annotated

import numpy as np
import pandas as pd
from pydantic import Field

from battery_lab.common.errors import require
from battery_lab.common.validated_options import Highest, Unit, options
from battery_lab.envs.battery.dispatch_problem import DispatchProblem
from battery_lab.envs.battery.physics import Array


@options("env.baselines.rule")
class PercentileRule:
    """Buy at full power below a low quantile of recent prices, and sell at full power above a high quantile.

    Attributes:
        low_quantile: quantile below which the battery buys.
        high_quantile: quantile above which the battery sells.
        window_days: length of the window of recent prices, days.
    """

    low_quantile: Annotated[float, Field(ge=0, le=1)]
    high_quantile: Annotated[float, Field(ge=0, le=1)]
    window_days: Annotated[float, Field(gt=0), Highest(3660), Unit("days")]

    def __post_init__(self) -> None:
        rule = f"must be at least env.baselines.rule.low_quantile = {self.low_quantile}"
        require(self.low_quantile <= self.high_quantile, "env.baselines.rule.high_quantile", rule, self.high_quantile)

    def requests(self, problem: DispatchProblem) -> Array:
        """Return (T,) requests in MW. Rows before the first known price hold. Bids are the two quantiles."""
        window = max(round(self.window_days * problem.series.intervals_per_day), 1)
        # The rule compares the last known price with the window that ends with it.
        known = np.arange(problem.first, problem.end) - problem.price_lag
        earliest = max(problem.first - problem.price_lag - window + 1, 0)
        span = slice(earliest, max(problem.end - problem.price_lag, 0))
        # In a gap, no price is known.
        recent = pd.Series(np.where(problem.series.gap[span], np.nan, problem.series.price[span]))
        rolling = recent.rolling(window, min_periods=1)
        # The first entry: no price is known yet.
        low, high, last = (
            np.concatenate([[np.nan], series.to_numpy(np.float64)])[np.maximum(known - earliest, -1) + 1]
            for series in (rolling.quantile(self.low_quantile), rolling.quantile(self.high_quantile), recent)
        )
        price = problem.dispatched.price if problem.bids else last
        return np.asarray((1.0 * (price > high) - (price < low)) * problem.battery.power_mw)
