"""Exploration term: a count-based bonus for rarely visited states."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

import numba as nb
import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from battery_lab.common.validated_options import MOST_STEPS, Highest, Int, Unit, options
from battery_lab.envs.battery.reward_context import RewardContext
from battery_lab.envs.battery.transition_accounts import Transition
from battery_lab.rewards.term import Term

Array = NDArray[np.float64]


@options("reward.terms.exploration")
class Exploration(Term):
    """``bonus`` / sqrt(visits of the state's bin, including this one), annealed linearly to 0.

    A bin is a range of the SoC at the end of the interval and a range of the local hour at its start. All
    environments of a vector environment share the counts (Strehl and Littman 2008; on hashed states Tang et al. 2017).

    Attributes:
        bonus: bonus for the first visit of a bin, in the market's currency.
        soc_bins: number of bins between the SoC limits.
        hour_bins: number of bins of the day.
        anneal_steps: environment steps, summed over the vector environment, after which the bonus is 0.
    """

    bonus: Annotated[float, Field(ge=0), Highest(1_000_000_000), Unit("currency for a first visit")]
    soc_bins: Annotated[Int, Field(ge=1, le=1000)]
    hour_bins: Annotated[Int, Field(ge=1, le=288)]
    anneal_steps: Annotated[Int, Field(ge=1), Highest(MOST_STEPS), Unit("environment steps")]

    def bind(self, context: RewardContext) -> BoundExploration:
        return BoundExploration(self, context)


class BoundExploration:
    """The bonus on one vector environment, with its visit counts."""

    def __init__(self, term: Exploration, context: RewardContext) -> None:
        self._bonus, self._anneal_steps = term.bonus, term.anneal_steps
        self._hour_bin = (context.series.hour * term.hour_bins / 24).astype(np.int64)
        battery = context.battery
        self._low, self._range = battery.energy_min_mwh, battery.energy_max_mwh - battery.energy_min_mwh
        self._visits = np.zeros((term.soc_bins, term.hour_bins))
        self._steps = 0

    def __call__(self, transition: Transition) -> Array:
        """Return (N,) bonuses and count the visits."""
        left = 1.0 - self._steps / self._anneal_steps
        self._steps += len(transition.row)
        if left <= 0.0:
            return np.zeros(len(transition.row))
        share = (transition.energy_after_mwh - self._low) / self._range
        return _visit(self._visits, share, self._hour_bin[transition.row], self._bonus * left)

    def get_state(self) -> dict[str, Array]:
        return {"visits": self._visits.copy(), "steps": np.array(self._steps, np.float64)}

    def set_state(self, state: Mapping[str, Array]) -> None:
        self._visits = np.array(state["visits"], np.float64)
        self._steps = int(state["steps"])


@nb.njit(cache=True)
def _visit(visits: Array, share: Array, hour_bin: NDArray[np.int64], bonus: float) -> Array:
    """Count (N,) visits one by one, so that only the first of several visits of a new bin counts as the first."""
    reward = np.empty(len(share))
    bins = visits.shape[0]
    for n in range(len(share)):
        i = min(max(int(share[n] * bins), 0), bins - 1)
        visits[i, hour_bin[n]] += 1.0
        reward[n] = bonus / np.sqrt(visits[i, hour_bin[n]])
    return reward
