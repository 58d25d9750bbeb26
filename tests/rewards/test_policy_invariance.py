"""Small decision problems, solved exactly: which shapings leave the best policy as it is, and which do not."""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

import numpy as np
import pytest

from battery_lab.envs.battery.physics import Battery
from battery_lab.envs.battery.transition import RewardContext
from battery_lab.rewards.potential import Potential
from battery_lab.rewards.regret import Regret
from battery_lab.rewards.revenue import Revenue
from battery_lab.rewards.shaping import Shaping
from battery_lab.rewards.wear import Wear
from tests.factories import make_battery
from tests.rewards.cases import TableValue, dispatch, make_context

REQUESTS = (-1.0, 0.0, 1.0)
PROFIT = {"revenue": Revenue(weight=1.0), "wear": Wear(weight=1.0)}


def small_battery() -> Battery:
    """Return a battery whose stored energy is 0, 1 or 2 MWh for ever."""
    return make_battery(
        power_mw=1.0, capacity_mwh=2.0, soc_min=0.0, soc_max=1.0, round_trip_efficiency=1.0, wear_per_mwh=5.0
    )


class Outcomes(NamedTuple):
    """What comes of every row, whole energy and action: (T, 3, 3) each."""

    reward: np.ndarray
    after: np.ndarray


def outcomes_of(context: RewardContext, shaping: Shaping) -> Outcomes:
    """Return rewards and next energies by the lab's own physics and shaping."""
    rows = len(context.series)
    grid = np.meshgrid(np.arange(rows), np.arange(3.0), REQUESTS, indexing="ij")
    done = dispatch(context, *(axis.ravel() for axis in grid))
    reward = shaping.bind(context)(done).reshape(rows, 3, 3)
    return Outcomes(reward, np.rint(done.energy_after_mwh).astype(int).reshape(rows, 3, 3))


# ---- Potential: prices that repeat for ever, solved by value iteration ----


def solve_repeating(period: list[float], shaping: Shaping, gamma: float) -> np.ndarray:
    """Return (P, 3, 3) action values by phase, energy and action; the history before is as long as the mean wants."""
    context = make_context(period * 4, small_battery())
    outcomes = outcomes_of(context, shaping)
    rows = slice(2 * len(period), 3 * len(period))
    reward, after = outcomes.reward[rows], outcomes.after[rows]
    phase = np.arange(len(period))[:, None, None]
    values = np.zeros_like(reward)
    for _ in range(4000):
        values = reward + gamma * values.max(axis=2)[(phase + 1) % len(period), after]
    return values


def with_potential(gamma: float, weight: float) -> Shaping:
    potential = Potential(weight=weight, gamma=gamma, window_days=3 / 24)
    return Shaping(gamma=0.99, scale=1.0, terms=PROFIT | {"potential": potential})


PERIODS = [[20.0, 83.0, -11.0, 200.0, 47.0], [61.0, 58.0, 7.0, 133.0], [3.0, -40.0, 90.0, 35.0, 71.0, 300.0]]


@pytest.mark.parametrize("period", PERIODS)
@pytest.mark.parametrize("gamma", [0.7, 0.95, 0.99])
@pytest.mark.parametrize("weight", [1.0, 2.5])
def test_potential_moves_no_choice_at_the_algorithms_discount(period: list[float], gamma: float, weight: float) -> None:
    plain = solve_repeating(period, Shaping(gamma=0.99, scale=1.0, terms=PROFIT), gamma)
    shaped = solve_repeating(period, with_potential(gamma, weight), gamma)
    against_holding = plain - plain[..., 1:2]
    assert shaped - shaped[..., 1:2] == pytest.approx(against_holding, abs=1e-8)
    assert np.abs(shaped - plain).max() > 1.0, "the rewards themselves did move"


def test_potential_with_another_discount_changes_the_best_policy() -> None:
    plain = solve_repeating(PERIODS[0], Shaping(gamma=0.99, scale=1.0, terms=PROFIT), 0.95)
    shaped = solve_repeating(PERIODS[0], with_potential(0.5, 1.0), 0.95)
    assert (plain.argmax(axis=2) != shaped.argmax(axis=2)).any()


# ---- Regret: futures that a policy cannot tell apart until they part, solved over what it has seen ----

Futures = list[list[float]]
Seen = tuple[tuple[float, ...], int]


def solve_unseen(futures: Futures, regret: bool, gamma: float) -> dict[Seen, np.ndarray]:
    """Return the action values of everything a policy can know: the prices so far, and its energy.

    Each future is as likely as any other. In the training prices they lie one after the other, each with a row
    behind it at which stored energy is worth nothing.
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
    def action_values(seen: tuple[float, ...], energy: int) -> tuple[float, ...]:
        time = len(seen) - 1
        still = [k for k, future in enumerate(futures) if tuple(future[: time + 1]) == seen]
        found = []
        for action in range(3):
            total = 0.0
            for k in still:
                row = k * (length + 1) + time
                total += outcomes.reward[row, energy, action]
                if time + 1 < length:
                    later = action_values((*seen, futures[k][time + 1]), int(outcomes.after[row, energy, action]))
                    total += gamma * max(later)
            found.append(total / len(still))
        return tuple(found)

    states = {tuple(future[: t + 1]) for future in futures for t in range(length)}
    return {(seen, energy): np.array(action_values(seen, energy)) for seen in states for energy in range(3)}


def random_futures(seed: int) -> Futures:
    """Return six futures of five prices drawn from three levels, so that they part at different times."""
    rng = np.random.default_rng(seed)
    levels = np.round(rng.normal(60, 80, (5, 3)), 2)
    return [[float(levels[t, rng.integers(0, 1 if t == 0 else 3)]) for t in range(5)] for _ in range(6)]


@pytest.mark.parametrize("seed", range(8))
def test_regret_moves_no_choice_without_a_discount(seed: int) -> None:
    futures = random_futures(seed)
    plain, regret = solve_unseen(futures, False, 1.0), solve_unseen(futures, True, 1.0)
    for state, values in plain.items():
        assert regret[state] - regret[state][1] == pytest.approx(values - values[1], abs=1e-9), state
    assert max(values.max() for values in regret.values()) <= 1e-9, "no action gains on hindsight"


def test_regret_below_a_discount_of_one_changes_choices() -> None:
    # Sell now at 50, or hold for a next price of 10 or 100? Discounted profit sells (50 > 0.8 x 55); regret holds,
    # as selling costs half of 50 against hindsight, and holding half of 40: here the undiscounted best.
    futures = [[50.0, 10.0], [50.0, 100.0]]
    plain, regret = solve_unseen(futures, False, 0.8), solve_unseen(futures, True, 0.8)
    now = ((50.0,), 1)
    assert REQUESTS[int(plain[now].argmax())] == 1.0
    assert REQUESTS[int(regret[now].argmax())] == 0.0
    assert REQUESTS[int(solve_unseen(futures, False, 1.0)[now].argmax())] == 0.0


def test_regret_can_miss_the_undiscounted_best_below_a_discount_of_one() -> None:
    missed = 0
    for seed in range(40):
        futures = random_futures(seed)
        best, regret = solve_unseen(futures, False, 1.0), solve_unseen(futures, True, 0.5)
        missed += any(best[s].max() - best[s][int(regret[s].argmax())] > 1e-6 for s in best)
    assert missed > 0
