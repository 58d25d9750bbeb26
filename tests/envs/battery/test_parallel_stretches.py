"""Evaluating a policy by stretches equals running it in order."""

from __future__ import annotations

import numpy as np
import pytest

from battery_lab.envs.battery import parallel_stretches
from battery_lab.envs.battery.action_set import ActionSet
from battery_lab.envs.battery.bid_actions import BidActions, PriceScale
from tests.envs.small_world import make_world
from tests.small_batteries_and_series import make_battery

THREE_LEVELS = ActionSet(kind="discrete", levels=3, power_mw=10.0)


def in_order(problem, actor, observer, actions):
    """Return the requests and actions of a policy that runs interval by interval."""
    energy = np.array([problem.battery.energy_start_mwh])
    requests, taken = [], []
    for row in range(problem.first, problem.end):
        taken.append(actor(observer(np.array([row]), energy))[0])
        request = actions.request_mw(np.array([taken[-1]]), problem.series.price[row : row + 1])
        _, energy = problem.battery.step(energy, request, problem.series.interval_h)
        requests.append(request[0])
    return np.array(requests), np.array(taken)


def check(problem, actor, observer, actions):
    run, expected = (f(problem, actor, observer, actions) for f in (parallel_stretches.run_policy, in_order))
    for one, two in zip(run, expected, strict=True):
        np.testing.assert_array_equal(one, two)


def thresholds(observation):
    """Sells at high prices and buys at low ones, with thresholds that depend on soc at every step."""
    soc, price = observation[:, 0], observation[:, 1]
    return np.where(price > 0.3 - 0.8 * soc, 2, np.where(price < -0.2 - 0.6 * soc, 0, 1))


def restless(observation):
    """Depends on the last digits of soc, so that runs from different energies never merge."""
    return (np.abs(observation[:, 0] * 1e4).astype(np.int64)) % 3


@pytest.mark.parametrize("actor", [thresholds, restless])
@pytest.mark.parametrize("changes", [{}, {"capacity_mwh": 400.0}, {"self_discharge_per_day": 0.2}])
def test_stretches_equal_the_run_in_order(tmp_path, actor, changes):
    world = make_world(tmp_path, battery=make_battery(**changes))
    check(world.problem("test"), actor, world._observer, THREE_LEVELS)


def test_stretches_equal_the_run_in_order_for_continuous_actions(tmp_path):
    world = make_world(tmp_path, "continuous")
    actions = ActionSet(kind="continuous", levels=3, power_mw=10.0)

    def actor(observation):
        return np.tanh(observation[:, 1:2] + observation[:, 0:1])

    check(world.problem("validation"), actor, world._observer, actions)


def test_stretches_equal_the_run_in_order_for_bids(tmp_path):
    world = make_world(tmp_path, price_lag=1)
    problem = world.problem("validation")
    actions = BidActions(kind="continuous", power_mw=10.0, scale=PriceScale.fit(problem.training.price, 5))

    def actor(observation):
        soc, price = observation[:, 0], observation[:, 1]
        middle = 0.1 * np.tanh(price) - 0.1 * soc - 0.6
        return np.stack([middle - 0.02, middle + 0.02], axis=1)

    requests, _ = parallel_stretches.run_policy(problem, actor, world._observer, actions)
    assert set(requests) == {-10.0, 0.0, 10.0}
    check(problem, actor, world._observer, actions)


def test_a_period_that_stretches_do_not_divide_evenly(tmp_path):
    world = make_world(tmp_path, test_days=3)
    problem = world.problem("test")
    assert (problem.end, (problem.end - problem.first) % parallel_stretches.STRETCHES > 0) == (
        len(problem.series),
        True,
    )
    check(problem, thresholds, world._observer, THREE_LEVELS)


def test_a_period_shorter_than_the_number_of_stretches(tmp_path):
    world = make_world(tmp_path)
    problem = world.problem("test")
    short = type(problem)(**{**vars(problem), "end": problem.first + 50})
    check(short, thresholds, world._observer, THREE_LEVELS)
