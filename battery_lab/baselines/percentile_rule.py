"""The percentile rule: buy what is cheap and sell what is dear, as the last days had it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from battery_lab.common.errors import require
from battery_lab.envs.battery.physics import Array
from battery_lab.envs.battery.problem import DispatchProblem


@dataclass(frozen=True, kw_only=True)
class Rule:
    """Buy at full power below a low quantile of recent prices, sell at full power above a high one.

    Attributes:
        low_quantile: the share of recent prices that count as cheap.
        high_quantile: the share of recent prices above which they count as dear.
        window_days: how many days are recent.
    """

    low_quantile: float
    high_quantile: float
    window_days: float

    def __post_init__(self) -> None:
        low, high = self.low_quantile, self.high_quantile
        require(0 <= low <= 1, "env.baselines.rule.low_quantile", "must be a fraction from 0 to 1", low)
        rule = f"must be a fraction from env.baselines.rule.low_quantile = {low} to 1"
        require(low <= high <= 1, "env.baselines.rule.high_quantile", rule, high)
        days = self.window_days
        require(0 < days < np.inf, "env.baselines.rule.window_days", "must be greater than 0 days", days)

    def requests(self, problem: DispatchProblem) -> Array:
        """Return (T,) requests in MW; rows before any price is known hold."""
        window = max(round(self.window_days * problem.series.intervals_per_day), 1)
        # The last price that is known decides; its own window ends with it.
        known = np.arange(problem.first, problem.end) - problem.price_lag
        earliest = max(problem.first - problem.price_lag - window + 1, 0)
        recent = pd.Series(problem.series.price[earliest : max(problem.end - problem.price_lag, 0)])
        rolling = recent.rolling(window, min_periods=1)
        cheap = (recent < rolling.quantile(self.low_quantile)).to_numpy()
        dear = (recent > rolling.quantile(self.high_quantile)).to_numpy()
        direction = np.concatenate([[0.0], dear.astype(np.float64) - cheap])  # the first: nothing is known yet
        return np.asarray(direction[np.maximum(known - earliest, -1) + 1] * problem.battery.power_mw)
