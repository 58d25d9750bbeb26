"""Reward shaping: the sum of terms with weights, divided by a scale."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated, Literal

import numba as nb
import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from battery_lab.common.errors import ConfigError, require
from battery_lab.common.validated_options import Rule, options
from battery_lab.envs.battery.reward_context import RewardContext
from battery_lab.envs.battery.transition_accounts import Transition
from battery_lab.rewards.term import BoundTerm, Memory, Term

Array = NDArray[np.float64]
FITTED = "fitted"
THROUGHPUT_PRICE = "throughput_price"  # its name in the log
SCALE = Rule(f"{FITTED!r} or an amount of currency greater than 0")


@options("reward")
class Shaping:
    """An option of conf/reward.

    Attributes:
        scale: amount in the market's currency that gives a reward of 1, or ``fitted``: the mean absolute deviation from
            the median of the training prices x one hour at full power.
        gamma: discount per interval that suits the shaping; algorithms use it unless the user sets ``algo.gamma``.
            Profit of an action may come hours later, while regret is known at once.
        terms: the terms by name.
    """

    scale: Annotated[Literal["fitted"] | Annotated[float, Field(gt=0)], SCALE]
    gamma: Annotated[float, Field(ge=0, le=1)]
    terms: Annotated[Mapping[str, Annotated[Term, Rule("a term with a _target_")]], Field(min_length=1)]

    def __post_init__(self) -> None:
        seen: list[tuple[str, Term]] = []
        for name, term in self.terms.items():
            unweighted = replace(term, weight=1.0)
            for other, same in seen:
                rule = f"repeats reward.terms.{other}: remove one and change the weight of the other"
                require(unweighted != same, f"reward.terms.{name}", rule, term)
            seen.append((name, unweighted))
        rule = "must have at least one term whose weight is not 0"
        require(any(term.weight for term in self.terms.values()), "reward.terms", rule, dict(self.terms))

    def bind(self, context: RewardContext) -> BoundShaping:
        """Fit the shaping to the training prices.

        Raises:
            ConfigError: ``scale`` is ``fitted`` and the training prices are constant.
        """
        scale = fit_scale(context) if isinstance(self.scale, str) else self.scale
        bound = {name: term.bind(context) for name, term in self.terms.items()}
        weights = np.array([term.weight for term in self.terms.values()], np.float64)
        is_linear = all(term.is_linear for term in self.terms.values())
        return BoundShaping(bound, weights, scale, is_linear, context.throughput_price() * self._weight_of_revenue())

    def _weight_of_revenue(self) -> float:
        """Return how often the sum counts revenue; 1 if no term says that it does."""
        return sum(term.weight for term in self.terms.values() if term.has_revenue) or 1.0


class BoundShaping:
    """A shaping on one vector environment. It keeps the sums for the log and the state of its terms.

    If cycles are capped, each reward is less by a throughput price x energy discharged, whatever its terms are.

    Attributes:
        scale: amount in the market's currency that gives a reward of 1.
        is_linear: whether the reward of the same move from the same stored energy is a + b x price in every interval.
    """

    def __init__(
        self,
        terms: Mapping[str, BoundTerm],
        weights: Array,
        scale: float,
        is_linear: bool = False,
        throughput_price: float = 0.0,
    ) -> None:
        self.scale, self.is_linear, self._throughput_price = scale, is_linear, throughput_price
        self._names = (*terms, THROUGHPUT_PRICE) if throughput_price else tuple(terms)
        self._terms, self._weights = tuple(terms.values()), weights
        parts: Mapping[str, object] = terms
        self._memories = {name: part for name, part in parts.items() if isinstance(part, Memory)}
        self._sums, self._intervals = np.zeros(len(self._names)), 0

    def __call__(self, transition: Transition) -> Array:
        """Return (N,) rewards: the weighted sum of the terms, less the throughput price, divided by the scale."""
        values = np.empty((len(self._terms), len(transition.row)))
        for k, term in enumerate(self._terms):
            values[k] = term(transition)
        self._intervals += values.shape[1]
        rewards = _combine(values, self._weights, self.scale, self._sums)
        if not self._throughput_price:
            return rewards
        sold = transition.sold_mwh
        self._sums[-1] -= self._throughput_price * float(sold.sum())
        return np.asarray(rewards - self._throughput_price / self.scale * sold)

    @property
    def memories(self) -> tuple[str, ...]:
        """Names of the terms whose value depends on earlier calls."""
        return tuple(self._memories)

    def take_log(self) -> dict[str, float]:
        """Return the mean weighted value of each term per interval since the last call, and reset the sums.

        With caps on cycles, the throughput price counts as one more term.

        Returns:
            Currency per interval by term; empty if there was no interval.
        """
        if self._intervals == 0:
            return {}
        means = {name: float(total) / self._intervals for name, total in zip(self._names, self._sums, strict=True)}
        self._sums, self._intervals = np.zeros(len(self._names)), 0
        return means

    def get_state(self) -> dict[str, Array]:
        """Return everything that ``set_state`` needs to resume exactly, as arrays by name."""
        state = {"log/sums": self._sums.copy(), "log/intervals": np.array(self._intervals, np.float64)}
        for name, memory in self._memories.items():
            state |= {f"terms/{name}/{key}": values for key, values in memory.get_state().items()}
        return state

    def set_state(self, state: Mapping[str, Array]) -> None:
        """Restore a state that ``get_state`` of the same shaping returned.

        Raises:
            ConfigError: the state belongs to a shaping with other terms.
        """
        if set(state) != set(self.get_state()) or np.shape(state["log/sums"]) != self._sums.shape:
            raise ConfigError(
                f"the stored reward state belongs to other terms than reward.terms = {list(self._names)}: "
                f"it holds {sorted(state)}; resume with the shaping that the run started with"
            )
        self._sums = np.array(state["log/sums"], np.float64)
        self._intervals = int(state["log/intervals"])
        for name, memory in self._memories.items():
            prefix = f"terms/{name}/"
            memory.set_state({key.removeprefix(prefix): state[key] for key in state if key.startswith(prefix)})


def fit_scale(context: RewardContext) -> float:
    """Return the mean absolute deviation from the median of the training prices x one hour at full power.

    That deviation is used because a few spikes at the price cap would dominate a standard deviation. An hour is
    used rather than an interval so that the return within the discount horizon is a few units in any market, whether
    it clears every 5 or every 60 minutes.

    Raises:
        ConfigError: the training prices are constant.
    """
    price = context.series.price[~context.series.gap]
    spread = float(np.abs(price - np.median(price)).mean()) if len(price) else 0.0
    rule = "must be a number if the training prices are constant, because there is no spread to fit"
    require(spread > 0, "reward.scale", rule, FITTED)
    return spread * context.battery.power_mw  # x 1 h


@nb.njit(cache=True)
def _combine(values: Array, weights: Array, scale: float, sums: Array) -> Array:
    """Sum the terms in order, so that the result is the same to the bit each time; add to ``sums``."""
    total = np.zeros(values.shape[1])
    for k in range(values.shape[0]):
        for n in range(values.shape[1]):
            part = weights[k] * values[k, n]
            total[n] += part
            sums[k] += part
    return total / scale
