"""Policy invariance: exact solutions of small decision problems with and without shaping."""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

import numpy as np
import pytest

from battery_lab.envs.battery.physics import Battery
from battery_lab.envs.battery.reward_context import RewardContext
from battery_lab.rewards.potential import Potential
from battery_lab.rewards.regret import Regret
from battery_lab.rewards.revenue import Revenue
from battery_lab.rewards.wear import Wear
from battery_lab.rewards.weighted_terms import Shaping
from tests.rewards.contexts_and_transitions import TableValue, dispatch, make_context
from tests.small_batteries_and_series import make_battery

REQUESTS = (-1.0, 0.0, 1.0)
PROFIT = {"revenue": Revenue(weight=1.0), "wear": Wear(weight=1.0)}


def small_battery() -> Battery:
    """Return a battery whose stored energy is always 0, 1 or 2 MWh."""
    return make_battery(
        power_mw=1.0, capacity_mwh=2.0, soc_min=0.0, soc_max=1.0, round_trip_efficiency=1.0, wear_per_mwh=5.0
    )


class Outcomes(NamedTuple):
    """(T, 3, 3) rewards and next energies of every row, energy and action."""

    reward: np.ndarray
    after: np.ndarray


def outcomes_of(context: RewardContext, shaping: Shaping) -> Outcomes:
    """Return rewards and next energies from the lab's physics and shaping."""
    rows = len(context.series)
    grid = np.meshgrid(np.arange(rows), np.arange(3.0), REQUESTS, indexing="ij")
    done = dispatch(context, *(axis.ravel() for axis in grid))
    reward = shaping.bind(context)(done).reshape(rows, 3, 3)
    return Outcomes(reward, np.rint(done.energy_after_mwh).astype(int).reshape(rows, 3, 3))


# ---- Potential: periodic prices, solved by value iteration ----


def solve_repeating(period: list[float], shaping: Shaping, gamma: float) -> np.ndarray:
    """Return (P, 3, 3) action values by phase, energy and action, with enough history for the mean price."""
    context = make_context(period * 4, small_battery())
    outcomes = outcomes_of(context, shaping)
    rows = slice(2 * len(period), 3 * len(period))
    reward, after = outcomes.reward[rows], outcomes.after[rows]
    phase = np.arange(len(period))[:, None, None]
    values = np.zeros_like(reward)
    for _ in range(round(40 / (1 - gamma))):
        values = reward + gamma * values.max(axis=2)[(phase + 1) % len(period), after]
    return values


def with_potential(gamma: float, weight: float) -> Shaping:
    potential = Potential(weight=weight, gamma=gamma, window_days=3 / 24)
    return Shaping(gamma=0.99, scale=1.0, terms=PROFIT | {"potential": potential})


PERIODS = [[20.0, 83.0, -11.0, 200.0, 47.0], [61.0, 58.0, 7.0, 133.0], [3.0, -40.0, 90.0, 35.0, 71.0, 300.0]]


@pytest.mark.parametrize("period", PERIODS)
@pytest.mark.parametrize("gamma", [0.7, 0.95, 0.99])
@pytest.mark.parametrize("weight", [1.0, 2.5])
def test_potential_keeps_preferences_at_the_algorithms_discount(
    period: list[float], gamma: float, weight: float
) -> None:
    plain = solve_repeating(period, Shaping(gamma=0.99, scale=1.0, terms=PROFIT), gamma)
    shaped = solve_repeating(period, with_potential(gamma, weight), gamma)
    against_holding = plain - plain[..., 1:2]
    assert shaped - shaped[..., 1:2] == pytest.approx(against_holding, abs=1e-8)
    assert np.abs(shaped - plain).max() > 1.0, "the shaping does change the action values"


def test_potential_with_another_discount_changes_the_best_policy() -> None:
    plain = solve_repeating(PERIODS[0], Shaping(gamma=0.99, scale=1.0, terms=PROFIT), 0.95)
    shaped = solve_repeating(PERIODS[0], with_potential(0.5, 1.0), 0.95)
    assert (plain.argmax(axis=2) != shaped.argmax(axis=2)).any()


# ---- Regret: futures that look alike until they diverge, solved over what the policy has observed ----

Futures = list[list[float]]
Observed = tuple[tuple[float, ...], int]


def solve_uncertain(futures: Futures, regret: bool, gamma: float) -> dict[Observed, np.ndarray]:
    """Return the action values by what a policy can know: the prices so far, and its energy.

    All futures have the same probability. The training prices contain them one after the other, each followed by a row
    at which stored energy has no value.
    """
    length = len(futures[0])
    price = [p for future in futures for p in (*future, 0.0)]
    plain_context = make_context(price, small_battery())
    plain = outcomes_of(plain_context, Shaping(gamma=0.99, scale=1.0, terms=PROFIT))
    value = np.zeros((len(price) + 1, 3))
    for first in range(0, len(price), length + 1):
        for row in range(first + length - 1, first - 1, -1):
            value[row] = (plain.reward[row] + value[row + 1][plain.after[row]]).max(axis=1)
    context = make_context(price, small_battery(), value=TableValue(value))
    terms = {"regret": Regret(weight=1.0)} if regret else PROFIT
    outcomes = outcomes_of(context, Shaping(gamma=0.99, scale=1.0, terms=terms))

    @cache
    def action_values(prices: tuple[float, ...], energy: int) -> tuple[float, ...]:
        time = len(prices) - 1
        possible = [k for k, future in enumerate(futures) if tuple(future[: time + 1]) == prices]
        values = []
        for action in range(3):
            total = 0.0
            for k in possible:
                row = k * (length + 1) + time
                total += outcomes.reward[row, energy, action]
                if time + 1 < length:
                    later = action_values((*prices, futures[k][time + 1]), int(outcomes.after[row, energy, action]))
                    total += gamma * max(later)
            values.append(total / len(possible))
        return tuple(values)

    states = {tuple(future[: t + 1]) for future in futures for t in range(length)}
    return {(prices, energy): np.array(action_values(prices, energy)) for prices in states for energy in range(3)}


def random_futures(seed: int) -> Futures:
    """Return six futures of five prices from three levels, so that they diverge at different times."""
    rng = np.random.default_rng(seed)
    levels = np.round(rng.normal(60, 80, (5, 3)), 2)
    return [[float(levels[t, rng.integers(0, 1 if t == 0 else 3)]) for t in range(5)] for _ in range(6)]


@pytest.mark.parametrize("seed", range(8))
def test_regret_keeps_all_preferences_at_a_discount_of_one(seed: int) -> None:
    futures = random_futures(seed)
    plain, regret = solve_uncertain(futures, False, 1.0), solve_uncertain(futures, True, 1.0)
    for state, values in plain.items():
        assert regret[state] - regret[state][1] == pytest.approx(values - values[1], abs=1e-9), state
    assert max(values.max() for values in regret.values()) <= 1e-9, "no action is better than hindsight"


def test_regret_changes_choices_below_a_discount_of_one() -> None:
    # Sell now at 50, or hold for a next price of 10 or 100? Discounted profit sells (50 > 0.8 x 55). Regret holds:
    # against hindsight, selling costs half of 50 and holding half of 40. Holding is also the undiscounted best.
    futures = [[50.0, 10.0], [50.0, 100.0]]
    plain, regret = solve_uncertain(futures, False, 0.8), solve_uncertain(futures, True, 0.8)
    now = ((50.0,), 1)
    assert REQUESTS[int(plain[now].argmax())] == 1.0
    assert REQUESTS[int(regret[now].argmax())] == 0.0
    assert REQUESTS[int(solve_uncertain(futures, False, 1.0)[now].argmax())] == 0.0


def test_regret_can_miss_the_undiscounted_best_below_a_discount_of_one() -> None:
    missed = 0
    for seed in range(40):
        futures = random_futures(seed)
        best, regret = solve_uncertain(futures, False, 1.0), solve_uncertain(futures, True, 0.5)
        missed += any(best[s].max() - best[s][int(regret[s].argmax())] > 1e-6 for s in best)
    assert missed > 0
