"""Small bid curves: learners that the tests of bid curves share, and their whole state to compare."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch

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


class Recording:
    """A bidding problem that records the slices that are solved."""

    def __init__(self, problem):
        self.problem, self.parts = problem, []

    def __getattr__(self, name):
        return getattr(self.problem, name)

    def gradient(self, part, *arguments, **options):
        self.parts.append((part.start, part.stop))
        return self.problem.gradient(part, *arguments, **options)


def curves(learner, part):
    """Return the (N, M) bids and offers of the current policy at the knots."""
    problem, network = learner.problem, learner.policy(0).network
    with torch.no_grad():
        seen = torch.from_numpy(problem.observations(problem.rows[part]))
        return network.curves(seen).numpy().astype(np.float64).swapaxes(0, 1)


def solve(learner, part, *, value_end=None, occupancy=None, sharpness):
    """Solve a part of the training period in one piece; ``sharpness`` is per standard deviation of the prices."""
    value, uniform = learner.problem.first_values()
    return learner.problem.gradient(
        part,
        *curves(learner, part),
        sharpness=sharpness / learner.problem.scaled_price.std(),
        value_end=0.0 * value if value_end is None else value_end,
        occupancy_start=uniform if occupancy is None else occupancy,
        uniform_share=0.0,
    )


def state_of(learner):
    """Return everything that training changes."""
    tensors = {f"network.{name}": values.clone() for name, values in learner.network.state_dict().items()}
    for name, moments in learner.optimizer._asdict().items():
        tensors |= {f"{name}.{number}": moment.clone() for number, moment in enumerate(moments)}
    arrays = {name: getattr(learner, name).copy() for name in ("value_end", "occupancy_start", "waiting")}
    return tensors | arrays | {"steps": learner.env_steps, "random": learner.random.bit_generator.state}


def check_equal(first, second):
    assert first.keys() == second.keys()
    for name, values in first.items():
        if isinstance(values, (dict, int)):
            assert values == second[name], name
        else:
            np.testing.assert_array_equal(values, second[name], err_msg=name)
