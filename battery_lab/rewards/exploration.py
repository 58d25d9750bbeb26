"""A bonus for states that were seldom visited."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numba as nb
import numpy as np
from numpy.typing import NDArray

from battery_lab.envs.battery.transition import RewardContext, Transition
from battery_lab.rewards.term import Term, is_finite

Array = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Exploration(Term):
    """``bonus`` / sqrt(visits of the state's bin, this one included), annealed linearly to 0.

    A bin is a range of soc reached by the interval and a range of the local hour it began in; the environments of a
    vector environment count together (Strehl and Littman 2008; on hashed states Tang et al. 2017).

    Attributes:
        bonus: for the first visit of a bin, in the market's currency.
        soc_bins: how many ranges the soc between its limits is cut into.
        hour_bins: how many ranges the day is cut into.
        anneal_steps: environment steps, over all environments of the vector environment, until the bonus is 0.
    """

    bonus: float
    soc_bins: int
    hour_bins: int
    anneal_steps: int

    def __post_init__(self) -> None:
        super().__post_init__()
        rule = "must be 0 or more, currency for a first visit"
        self.require(is_finite(self.bonus) and self.bonus >= 0, "bonus", rule, self.bonus)
        for field, most in (("soc_bins", 1000), ("hour_bins", 288)):
            given = getattr(self, field)
            self.require(_is_whole(given) and 1 <= given <= most, field, f"must be a whole number, 1 to {most}", given)
        whole = _is_whole(self.anneal_steps) and self.anneal_steps >= 1
        self.require(whole, "anneal_steps", "must be a whole number of environment steps, 1 or more", self.anneal_steps)

    def bind(self, context: RewardContext) -> BoundExploration:
        """Return the bonus as a function that counts; see Term."""
        return BoundExploration(self, context)


class BoundExploration:
    """The bonus on one vector environment, with its counts."""

    def __init__(self, term: Exploration, context: RewardContext) -> None:
        """Begin with no visit counted."""
        self._bonus, self._anneal_steps = term.bonus, int(term.anneal_steps)
        self._hour_bin = (context.series.hour * term.hour_bins / 24).astype(np.int64)
        battery = context.battery
        self._low, self._range = battery.energy_min_mwh, battery.energy_max_mwh - battery.energy_min_mwh
        self._visits = np.zeros((int(term.soc_bins), int(term.hour_bins)))
        self._steps = 0

    def __call__(self, transition: Transition) -> Array:
        """Return (N,) bonuses and count the visits; see BoundTerm."""
        left = 1.0 - self._steps / self._anneal_steps
        self._steps += len(transition.row)
        if left <= 0.0:
            return np.zeros(len(transition.row))
        share = (transition.energy_after_mwh - self._low) / self._range
        return _visit(self._visits, share, self._hour_bin[transition.row], self._bonus * left)

    def get_state(self) -> dict[str, Array]:
        """Return the counts and the steps; see Memory."""
        return {"visits": self._visits.copy(), "steps": np.array(self._steps, np.float64)}

    def set_state(self, state: Mapping[str, Array]) -> None:
        """Go on from counts and steps; see Memory."""
        self._visits = np.array(state["visits"], np.float64)
        self._steps = int(state["steps"])


def _is_whole(value: object) -> bool:
    """Whether a value is a whole number; 2e6 is one, though YAML reads it as a fraction."""
    return isinstance(value, (int, float)) and is_finite(value) and float(value).is_integer()


@nb.njit(cache=True)
def _visit(visits: Array, share: Array, hour_bin: NDArray[np.int64], bonus: float) -> Array:
    """Count (N,) visits one after the other, so that two in one bin do not both pass for the first."""
    reward = np.empty(len(share))
    bins = visits.shape[0]
    for n in range(len(share)):
        i = min(max(int(share[n] * bins), 0), bins - 1)
        visits[i, hour_bin[n]] += 1.0
        reward[n] = bonus / np.sqrt(visits[i, hour_bin[n]])
    return reward
