"""Small bid curves: learners that the tests of bid curves share."""

from __future__ import annotations

from dataclasses import replace

from tests.algos.training_setup import setup_for
from tests.compositions import SMALL_ALGOS, option
from tests.small_batteries_and_series import make_battery

NETWORK = ("network", "mlp", ["network.hidden=[16]"])
BATTERY = make_battery()


def make_learner(world, seed=0, wrap=None, env_steps=10_000, actions=None, **changes):
    kind = "continuous" if world.action.is_increasing else "discrete"
    setup = setup_for(world, option(*NETWORK), actions or kind)
    problem = wrap or setup.bidding_problem
    algo = replace(option("algo", "bid_curves", SMALL_ALGOS["bid_curves"]), **changes)
    return algo.learner(replace(setup, seed=seed, env_steps=env_steps, bidding_problem=problem))


def iterate(learner, times):
    return [learner.train() for _ in range(times)]
