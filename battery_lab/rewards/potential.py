"""Potential term: shaping by the value of stored energy at a recent mean price. It keeps the best policy."""

from __future__ import annotations

from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from battery_lab.common.validated_options import Rule, Unit, options
from battery_lab.envs.battery.reward_context import RewardContext
from battery_lab.envs.battery.transition_accounts import Transition
from battery_lab.market.rolling_statistics import mean_before
from battery_lab.rewards.term import BoundTerm, Term

GAMMA = Rule("the algorithm's discount per interval, ${algo.gamma}, greater than 0 and at most 1")


@options("reward.terms.potential")
class Potential(Term):
    """``gamma`` x phi(next) - phi(now), where phi is what the stored energy would earn at the recent mean price.

    phi(t, e) = (e - energy_min) x discharge_efficiency x max(mean price of the ``window_days`` before t - wear, 0).
    In a gap of the series, phi is that at its end, of what is left then of an idle battery's energy: so the term
    telescopes over gaps.

    Together with revenue, wear and grid fee, the best policy is that of profit for any weight (Ng, Harada and Russell
    1999). This requires that ``gamma`` is the algorithm's and that the algorithm bootstraps truncated episodes.

    Attributes:
        gamma: the algorithm's discount per interval.
        window_days: window of the mean price, days. Near the start of the series the window is shorter.
    """

    gamma: Annotated[float, Field(gt=0, le=1), GAMMA]
    window_days: Annotated[float, Field(gt=0, le=3660), Unit("days")]

    def bind(self, context: RewardContext) -> BoundTerm:
        gamma, low = self.gamma, context.battery.energy_min_mwh
        per_mwh, left = self._value_per_mwh(context)

        def change(transition: Transition) -> NDArray[np.float64]:
            row = transition.row
            after = per_mwh[row + 1] * (transition.energy_after_mwh * left[row + 1] - low)
            return gamma * after - per_mwh[row] * (transition.energy_mwh * left[row] - low)

        return change

    def _value_per_mwh(self, context: RewardContext) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the (T + 1,) value of a MWh per row, and the share of stored energy that is left at its gap's end.

        Where there is no gap, all energy is left.
        """
        series, battery = context.series, context.battery
        window = max(round(self.window_days * series.intervals_per_day), 1)
        mean = mean_before(series.price, window)
        value = np.maximum(mean - battery.wear_per_mwh, 0.0) * battery.discharge_efficiency
        rows = np.arange(len(value))
        known = np.where(np.append(series.gap, False), len(series), rows)
        next_known = np.minimum.accumulate(known[::-1])[::-1]
        left = battery.limits(series.interval_h).retention ** (next_known - rows)
        return value[next_known], np.asarray(left, np.float64)
