"""A reward shaping: weighted terms, summed, scaled and logged apart."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numba as nb
import numpy as np
from numpy.typing import NDArray

from battery_lab.common.errors import ConfigError, require
from battery_lab.envs.battery.transition import RewardContext, Transition
from battery_lab.rewards.term import BoundTerm, Memory, Term, is_finite

Array = NDArray[np.float64]
FITTED = "fitted"


@dataclass(frozen=True, kw_only=True)
class Shaping:
    """A choice of conf/reward.

    Attributes:
        scale: the money that is worth 1 to the algorithm, in the market's currency, or ``fitted``: what an hour at
            full power earns on the training prices' mean distance from their median.
        gamma: the discount an interval that suits the shaping, which algorithms take where the user sets none: what
            an action earns comes hours later, while a regret is known at once.
        terms: the terms by name.
    """

    scale: str | float
    gamma: float
    terms: Mapping[str, Term]

    def __post_init__(self) -> None:
        require(0 <= self.gamma <= 1, "reward.gamma", "must be a discount from 0 to 1", self.gamma)
        rule = f"must be {FITTED!r} or a number of currency greater than 0"
        fits = self.scale == FITTED or (is_finite(self.scale) and float(self.scale) > 0)
        require(fits, "reward.scale", rule, self.scale)
        require(len(self.terms) > 0, "reward.terms", "must hold at least one term", dict(self.terms))
        self._check_terms()

    def bind(self, context: RewardContext) -> BoundShaping:
        """Fit the shaping to training time.

        Raises:
            ConfigError: the scale is to be fitted, and the training prices never move.
        """
        scale = fit_scale(context) if self.scale == FITTED else float(self.scale)
        bound = {name: term.bind(context) for name, term in self.terms.items()}
        return BoundShaping(bound, np.array([term.weight for term in self.terms.values()], np.float64), scale)

    def _check_terms(self) -> None:
        seen: list[tuple[str, Term]] = []
        for name, term in self.terms.items():
            require(isinstance(term, Term), f"reward.terms.{name}", "must be a term with a _target_", term)
            bare = replace(term, weight=1.0)
            for other, same in seen:
                rule = f"repeats reward.terms.{other}: take one out and change the other's weight"
                require(bare != same, f"reward.terms.{name}", rule, term)
            seen.append((name, bare))
        rule = "must hold at least one term with a weight that is not 0"
        require(any(term.weight for term in self.terms.values()), "reward.terms", rule, dict(self.terms))


class BoundShaping:
    """A shaping on one vector environment; keeps the sums that are logged and what terms remember.

    Attributes:
        scale: the money that is worth a reward of 1, in the market's currency.
    """

    def __init__(self, terms: Mapping[str, BoundTerm], weights: Array, scale: float) -> None:
        """Hold K bound terms by name, their (K,) weights and the scale."""
        self.scale = scale
        self._names, self._terms, self._weights = tuple(terms), tuple(terms.values()), weights
        parts: Mapping[str, object] = terms
        self._memories = {name: part for name, part in parts.items() if isinstance(part, Memory)}
        self._sums, self._intervals = np.zeros(len(terms)), 0

    def __call__(self, transition: Transition) -> Array:
        """Return (N,) rewards: the weighted sum of the terms divided by the scale."""
        values = np.empty((len(self._terms), len(transition.row)))
        for k, term in enumerate(self._terms):
            values[k] = term(transition)
        self._intervals += values.shape[1]
        return _combine(values, self._weights, self.scale, self._sums)

    def take_log(self) -> dict[str, float]:
        """Return each term's mean weighted money an interval since the last call, and begin anew.

        Empty if there was no interval.
        """
        if self._intervals == 0:
            return {}
        means = {name: float(total) / self._intervals for name, total in zip(self._names, self._sums, strict=True)}
        self._sums, self._intervals = np.zeros(len(self._names)), 0
        return means

    def get_state(self) -> dict[str, Array]:
        """Return all that a later ``set_state`` needs to go on as if nothing had happened: arrays by name."""
        state = {"log/sums": self._sums.copy(), "log/intervals": np.array(self._intervals, np.float64)}
        for name, memory in self._memories.items():
            state |= {f"terms/{name}/{key}": values for key, values in memory.get_state().items()}
        return state

    def set_state(self, state: Mapping[str, Array]) -> None:
        """Go on from a state that ``get_state`` of the same shaping gave.

        Raises:
            ConfigError: the state is of a shaping with other terms.
        """
        if set(state) != set(self.get_state()) or np.shape(state["log/sums"]) != self._sums.shape:
            raise ConfigError(
                f"the stored reward state is of other terms than reward.terms = {list(self._names)}: "
                f"it holds {sorted(state)}; resume with the shaping that the run began with"
            )
        self._sums = np.array(state["log/sums"], np.float64)
        self._intervals = int(state["log/intervals"])
        for name, memory in self._memories.items():
            prefix = f"terms/{name}/"
            memory.set_state({key.removeprefix(prefix): state[key] for key in state if key.startswith(prefix)})


def fit_scale(context: RewardContext) -> float:
    """Return what an hour at full power earns on the mean distance of training prices from their median.

    The mean distance, not the standard deviation: that one squares prices, so that a few spikes at the cap set it.
    An hour, not an interval: what a policy can win over the hours that its discount lets it see then comes to a few
    units, whether a market clears every 5 or every 60 minutes (at a discount that looks equally many hours ahead).

    Raises:
        ConfigError: the training prices never move.
    """
    price = context.series.price[~context.series.gap]
    spread = float(np.abs(price - np.median(price)).mean()) if len(price) else 0.0
    rule = "must be a number where the training prices never move and give no spread to fit"
    require(spread > 0, "reward.scale", rule, FITTED)
    return spread * context.battery.power_mw  # x 1 h


@nb.njit(cache=True)
def _combine(values: Array, weights: Array, scale: float, sums: Array) -> Array:
    """Sum the terms in their order, so that the same terms always give the same bits; adds to ``sums``."""
    total = np.zeros(values.shape[1])
    for k in range(values.shape[0]):
        for n in range(values.shape[1]):
            part = weights[k] * values[k, n]
            total[n] += part
            sums[k] += part
    return total / scale
