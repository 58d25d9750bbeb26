"""Bid curves from a plan: they start with the planned bids in observations, and keep them in stored policies."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from battery_lab.common.errors import ConfigError
from battery_lab.observations.planned_bids import PlannedBids
from battery_lab.policies.policy import load
from tests.algos.small_bid_curves import BATTERY, NETWORK, check_equal, iterate, make_learner, state_of
from tests.algos.training_setup import setup_for
from tests.compositions import SMALL_ALGOS, option
from tests.envs.small_world import make_option
from tests.observations.histories import unscaled

KNOTS = 4
PLAN = PlannedBids(battery=BATTERY, horizon_h=12.0, replan_minutes=60.0, days=1, forecasts=None, knots=KNOTS)


@pytest.fixture(scope="module", params=["bids", "auto"])
def world(request, tmp_path_factory):
    plain = option("observation", "compact")
    observation = replace(plain, features={**plain.features, "planned_bids": PLAN})
    chosen = make_option(
        tmp_path_factory.mktemp("planned"), battery=BATTERY, actions=request.param, observation=observation
    )
    return chosen.open("continuous" if request.param == "bids" else "discrete")


def planned_prices(world):
    """Return the (T, 2, M) planned bids and offers of the training period, currency per MWh."""
    series = world.problem("test").series
    training = series.rows(0, world.problem("test").train_end)
    return PLAN.build(unscaled(training, 1)).values.reshape(-1, 2, KNOTS)


def to_scale(world, problem, price):
    """Return prices on the scale of bids, by interpolation between those of the training period."""
    own = world.problem("test").series.price[problem.rows]
    order = np.argsort(own)
    return np.interp(price, own[order], problem.scaled_price[order])


def test_the_first_curves_are_the_planned_bids(world):
    learner = make_learner(world, knots=KNOTS)
    with torch.no_grad():
        learner.network.head.weight.zero_()
        network = learner.policy(0).network
        rows = learner.problem.rows
        curves = network.curves(torch.from_numpy(learner.problem.observations(rows))).numpy()
    prices = planned_prices(world)[rows]
    own = world.problem("test").series.price[rows]
    inside = (prices > np.quantile(own, 0.02)) & (prices < np.quantile(own, 0.98))
    assert inside.mean() > 0.5
    expected = to_scale(world, learner.problem, prices)
    np.testing.assert_allclose(curves[inside], expected[inside], atol=0.02 * np.ptp(learner.problem.scaled_price))


def test_training_departs_from_the_plan_and_a_stored_policy_keeps_it(world, tmp_path):
    learner = make_learner(world, knots=KNOTS)
    scale = learner.network.get_buffer("planned_scale").clone()
    before = learner.network.head.weight.clone()
    iterate(learner, 3)
    assert not torch.equal(before, learner.network.head.weight)
    assert torch.equal(scale, learner.network.get_buffer("planned_scale"))
    policy = learner.policy(0)
    policy.save(tmp_path)
    network = option(*NETWORK)
    loaded = load(
        tmp_path, network.encoder(policy.layout), network.out_features, layout=policy.layout, action=policy.action
    )
    seen = learner.problem.observations(learner.problem.rows[:50])
    np.testing.assert_array_equal(loaded(seen), policy(seen))


def test_a_restored_learner_continues_as_the_stored_one(world, tmp_path):
    learner, restored = make_learner(world, knots=KNOTS), make_learner(world, knots=KNOTS, seed=1)
    iterate(learner, 2)
    learner.save(tmp_path, None)
    restored.restore(tmp_path)
    assert iterate(learner, 2) == iterate(restored, 2)
    check_equal(state_of(learner), state_of(restored))


def test_the_curves_need_the_knots_of_the_plan(world):
    setup = setup_for(world, option(*NETWORK), "continuous" if world.action.is_increasing else "discrete")
    algo = replace(option("algo", "bid_curves", SMALL_ALGOS["bid_curves"]), knots=KNOTS + 1)
    with pytest.raises(ConfigError, match=r"algo.knots must be the number of planned bids"):
        algo.learner(setup)
