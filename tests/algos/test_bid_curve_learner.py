"""Bid curve learner: reproducible and exact training, and policies that act as their curves say."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from battery_lab.algos.bid_curve_learner import slices
from battery_lab.common.errors import ConfigError, LabError
from battery_lab.envs.battery.action_set import ActionSet
from battery_lab.envs.battery.bid_actions import BidActions, PriceScale
from tests.algos.small_bid_curves import (
    BATTERY,
    NETWORK,
    Recording,
    check_equal,
    iterate,
    make_learner,
    solve,
    state_of,
)
from tests.algos.training_setup import setup_for
from tests.compositions import SMALL_ALGOS, option
from tests.inventory_env.inventory import InventoryWorld


def test_equal_seeds_give_equal_results_to_the_bit_and_other_seeds_do_not(known):
    learners = []
    for seed in (0, 0, 1):
        learners.append(make_learner(known, seed=seed))
        torch.rand(1)  # the learner takes nothing from torch's own generator
    first, second, other = learners
    assert not torch.equal(first.network.encoder[0].weight, other.network.encoder[0].weight)
    assert iterate(first, 3) == iterate(second, 3)
    check_equal(state_of(first), state_of(second))
    assert iterate(other, 3) != iterate(make_learner(known), 3)


def test_two_workers_compute_what_one_computes(known):
    one, two = make_learner(known), make_learner(known, num_workers=2)
    for (steps, metrics), (other_steps, other) in zip(iterate(one, 6), iterate(two, 6), strict=True):
        assert steps == other_steps
        assert metrics == pytest.approx(other, rel=1e-4)
    for first, second in zip(one.network.parameters(), two.network.parameters(), strict=True):
        torch.testing.assert_close(first, second, rtol=1e-3, atol=1e-5)
    two.stop()


def test_a_pass_visits_every_slice_once_in_random_order(known):
    recordings = []

    def recorded(levels, knots):
        recordings.append(Recording(known.bidding_problem(levels, knots)))
        return recordings[-1]

    learner = make_learner(known, wrap=recorded)
    (recording,) = recordings
    orders, rows = [], len(recording.rows)
    for number in (1, 2):
        while learner.env_steps < number * rows:
            learner.train()
        orders.append(recording.parts)
        recording.parts = []
    first, second = orders
    assert sorted(first) == sorted(second) and first != second and first != sorted(first)
    edges = [edge for part in sorted(first) for edge in part]
    assert (edges[0], edges[-1]) == (0, rows) and edges[1:-1:2] == edges[2:-1:2]
    assert learner.env_steps == 2 * rows


@given(rows=st.integers(1, 6000), longest=st.integers(2, 2000), batch=st.integers(1, 100))
def test_slices_cover_all_rows_without_overlap_and_are_nearly_equal(rows, longest, batch):
    parts = slices(rows, longest, batch)
    lengths = [part.stop - part.start for part in parts]
    assert [row for part in parts for row in range(part.start, part.stop)] == list(range(rows))
    assert min(lengths) >= 1 and max(lengths) <= min(longest, min(lengths) + 1)
    assert len(parts) >= min(4 * batch, rows // 2)


def test_carried_values_become_those_of_the_whole_path(bids):
    # lr is too small to change a weight, so that all passes have the same policy.
    unchanged = {"lr": 1e-30, "lr_end": 0.0, "weight_decay": 0.0, "sharpness": 4.0, "sharpness_end": 4.0}
    learner = make_learner(bids, **unchanged)
    rows, final = len(learner.problem.rows), learner.problem.first_values()[0]
    later = [slice(part.start, rows) for part in slices(rows, 96, 4)[1:]]
    exact = np.array([solve(learner, part, value_end=final, sharpness=4.0).value_start for part in later])
    exact -= exact.mean(axis=1, keepdims=True)  # only differences matter
    errors, rewards = [], []
    for _ in range(6):
        rewards = iterate(learner, -(-len(learner.value_end) // 4))
        errors.append(np.abs(learner.value_end[:-1] - exact).max() / np.ptp(exact))
    # A slice is 8 hours, and the battery takes as long to forget its energy; slices of a day need one pass.
    assert errors[0] > 0.01 and errors[1] < 0.01
    assert errors[-1] < 1e-6
    # The rewards of the slices add up to that of the path.
    whole = solve(learner, slice(0, rows), value_end=final, sharpness=4.0)
    steps = np.diff([5 * rows, *(iteration.env_steps for iteration in rewards)])
    reward = sum(steps * [iteration.metrics["train/reward_mean"] for iteration in rewards])
    assert reward == pytest.approx(whole.value - whole.occupancy_end @ final, rel=1e-5)


@pytest.mark.parametrize("name", ["known", "bids"])
def test_training_raises_the_exact_value_of_the_policy(request, name):
    learner = make_learner(request.getfixturevalue(name), env_steps=15_000)
    whole, values = slice(0, len(learner.problem.rows)), []
    for _ in range(3):
        values.append(solve(learner, whole, sharpness=25.0).value)
        iterate(learner, 13)
    assert values[0] < values[1] < values[2]
    assert values[2] > 1.2 * values[0]


def at_states(learner, rows=400):
    """Return observations of the training period at random states of charge, and these."""
    rng = np.random.default_rng(0)
    seen, soc = learner.problem.observations(rng.choice(learner.problem.rows, rows)), rng.uniform(-1, 1, rows)
    seen[:, 0] = soc
    return seen, soc


def pairs_by_numpy(policy, seen, soc):
    """Return (N, 2) bids and offers, interpolated at the states of charge by numpy."""
    with torch.no_grad():
        both = policy.network.curves(torch.from_numpy(seen)).numpy()
    knots = np.linspace(-1, 1, both.shape[2])
    pairs = np.array([[np.interp(at, knots, curve) for curve in curves] for at, curves in zip(soc, both, strict=True)])
    crossed = pairs[:, :1] > pairs[:, 1:]
    return np.where(crossed, pairs.mean(axis=1, keepdims=True), pairs)


@pytest.mark.parametrize("kind", ["discrete", "continuous"])
def test_with_the_price_known_the_policy_clears_its_curve(known, kind):
    learner = make_learner(known, actions=kind)
    iterate(learner, 20)
    policy, (seen, soc) = learner.policy(7), at_states(learner)
    (bid, offer), price = pairs_by_numpy(policy, seen, soc).T, seen[:, learner.problem.price_number]
    clear = (np.abs(price - bid) > 1e-5) & (np.abs(price - offer) > 1e-5)
    direction = np.where(price < bid, -1, np.where(price > offer, 1, 0))[clear]
    assert set(direction) == {-1, 0, 1}
    expected = direction + 1 if kind == "discrete" else direction[:, None]
    np.testing.assert_array_equal(policy(seen)[clear], expected)
    assert (policy.decision, policy.actions, policy.env_steps) == ("cleared", kind, 7)


def test_bids_are_the_curve_at_the_state_of_charge(bids):
    learner = make_learner(bids)
    iterate(learner, 20)
    policy, (seen, soc) = learner.policy(7), at_states(learner)
    expected = np.clip(pairs_by_numpy(policy, seen, soc), -1, 1)
    np.testing.assert_allclose(policy(seen), expected, atol=1e-5)
    assert np.ptp(expected, axis=0).min() > 0.001
    assert (policy.decision, policy.actions) == ("clipped_mean", "continuous")


@pytest.mark.parametrize("name", ["known", "bids"])
def test_the_policy_earns_in_the_physics_of_the_battery_what_the_learner_computes(request, name):
    world = request.getfixturevalue(name)
    learner, part = make_learner(world, levels=200), slice(0, 600)
    iterate(learner, 30)
    empty = np.zeros_like(learner.problem.first_values()[0])
    empty[0] = 1.0
    computed = solve(learner, part, occupancy=empty, sharpness=1e6).value * world.vector_env(1, 0).reward.scale
    price = world.problem("validation").series.price
    policy, actions, energy, earned = learner.policy(0), actions_of(world), np.array([BATTERY.energy_min_mwh]), 0.0
    for row in learner.problem.rows[part]:
        seen = learner.problem.observations(np.array([row]))
        seen[:, 0] = 2 * (energy - BATTERY.energy_min_mwh) / (BATTERY.energy_max_mwh - BATTERY.energy_min_mwh) - 1
        power, energy = BATTERY.step(energy, actions.request_mw(policy(seen), price[row : row + 1]), 1 / 12)
        earned += power[0] / 12 * price[row]
    assert earned > 0
    assert computed == pytest.approx(earned, rel=0.01)


def actions_of(world):
    if world.action.is_increasing:
        scale = PriceScale.from_json(world.observation_state()["bids"])
        return BidActions(kind="continuous", power_mw=BATTERY.power_mw, scale=scale)
    return ActionSet(kind="discrete", levels=3, power_mw=BATTERY.power_mw)


def test_an_environment_whose_prices_depend_on_actions_is_refused():
    world = InventoryWorld(np.arange(100.0), (10.0, 4.0))
    algo = option("algo", "bid_curves", SMALL_ALGOS["bid_curves"])
    with pytest.raises(ConfigError, match="algo=bid_curves needs an environment whose prices do not depend on actions"):
        algo.learner(setup_for(world, option(*NETWORK)))


def test_discrete_bids_are_refused(bids):
    with pytest.raises(ConfigError, match="algo=bid_curves cannot choose among discrete bids"):
        make_learner(bids, actions="discrete")


def test_a_training_that_diverged_is_an_error_that_says_what_to_change(known):
    learner = make_learner(known)
    with torch.no_grad():
        learner.network.head.bias[0] = torch.nan
    with pytest.raises(LabError, match=r"bid curves are not finite: start again with a lower algo\.lr"):
        learner.train()
