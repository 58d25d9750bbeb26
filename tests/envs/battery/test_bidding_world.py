"""Bids through the world: what a policy knows, training, evaluation, stored policies and baselines."""

from __future__ import annotations

import json

import gymnasium as gym
import numpy as np
import pytest

from battery_lab.baselines.percentile_rule import PercentileRule
from battery_lab.envs.battery.bid_actions import PriceScale
from tests.compositions import option, same_arrays
from tests.envs.small_world import make_bidding_world, make_option, make_world
from tests.small_batteries_and_series import make_battery, make_series, wavy_prices

DAYS, TRAIN_END, TEST_FIRST = 24, 17 * 288, 20 * 288
PRICE = wavy_prices(DAYS)
COLUMNS = ("bid_per_mwh", "offer_per_mwh")


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    return make_bidding_world(tmp_path_factory.mktemp("cache"))


def series_with(row=None, change=0.0):
    """Return a series with demand, in which price and demand of a row are changed."""
    changed = np.where(np.arange(len(PRICE)) == row, change, 0.0)
    return make_series(PRICE + changed, columns={"demand_mw": 5_000 + 10 * PRICE + changed})


def around_the_last_price(observation):
    """Bid a little below the last price, less when full, and offer a little above it."""
    middle = np.clip(-0.62 + 0.05 * observation[:, 1] - 0.02 * observation[:, 0], -1, 1)
    return np.stack([middle - 0.01, middle + 0.01], axis=1)


@pytest.mark.parametrize("name", ["minimal", "compact", "rich", "window"])
@pytest.mark.parametrize("price_lag", [0, 1])
def test_a_policy_that_bids_does_not_know_the_price_of_the_interval(tmp_path, price_lag, name):
    changes = {"price_lag": price_lag, "observation": option("observation", name)}
    plain = make_bidding_world(tmp_path, series=series_with(), **changes)
    row, seen = 12 * 288 + 7, []
    for series in (series_with(), series_with(row, 400.0)):
        world = make_bidding_world(tmp_path, series=series, state=plain.observation_state(), **changes)
        problem = world.bidding_problem(3, 2)
        seen.append(problem.observations(problem.rows))
    differs = (seen[0] != seen[1]).any(axis=1)
    assert not differs[problem.rows <= row].any()
    assert differs[problem.rows == row + 1].all()


@pytest.mark.parametrize("price_lag", [0, 1])
def test_the_price_of_an_interval_only_clears_its_bid_and_offer(tmp_path, price_lag):
    row, frames = 2 * 288 + 91, []
    for change in (0.0, -500.0, 500.0):
        series = series_with(TEST_FIRST + row, change)
        world = make_bidding_world(tmp_path, series=series, price_lag=price_lag)
        frames.append(world.evaluate(around_the_last_price, "test").frame)
    for frame in frames[1:]:
        for column in COLUMNS:
            assert frame[column][: row + 1].equals(frames[0][column][: row + 1])
            assert frame[column][row + 1] != frames[0][column][row + 1]
        assert frame.power_mw[:row].equals(frames[0].power_mw[:row])
    assert [frame.request_mw[row] for frame in frames[1:]] == [-10.0, 10.0]


def test_an_evaluation_shows_bids_and_offers_that_explain_its_power(world):
    frame = world.evaluate(around_the_last_price, "test").frame
    bid, offer = (frame[column] for column in COLUMNS)
    assert (bid < offer).all()
    expected = np.select([frame.price < bid, frame.price > offer], [-10.0, 10.0], 0.0)
    np.testing.assert_array_equal(frame.request_mw, expected)
    assert len(frame[frame.power_mw < 0]) > 50 and len(frame[frame.power_mw > 0]) > 50
    # The battery delivers what clears, within its limits.
    energy_after = np.append(frame.energy_mwh[1:], np.nan)[:-1]
    whole = (np.abs(frame.power_mw) == 10.0)[:-1]
    at_limit = np.isclose(energy_after, 4.0) | np.isclose(energy_after, 36.0)
    assert (whole | at_limit | (expected[:-1] == 0)).all()
    np.testing.assert_allclose(frame.revenue, frame.price * frame.power_mw / 12)


def test_an_evaluation_shows_the_mean_of_a_bid_above_the_offer(world):
    frame = world.evaluate(lambda seen: np.tile([0.2, -0.4], (len(seen), 1)), "test").frame
    low, high = (np.arcsinh(end / world.action.squash) for end in world.action.values[0])
    middle = np.sinh(low + 0.45 * (high - low)) * world.action.squash
    for column in COLUMNS:
        np.testing.assert_allclose(frame[column], middle)


def test_an_evaluation_of_the_ladder_shows_its_prices(tmp_path):
    world = make_bidding_world(tmp_path, "discrete")
    bids, offers = world.action.values
    pair = list(zip(bids, offers, strict=True)).index((sorted(set(bids))[1], sorted(set(bids))[3]))
    frame = world.evaluate(lambda seen: np.full(len(seen), pair), "test").frame
    assert set(frame.bid_per_mwh) == {bids[pair]} and set(frame.offer_per_mwh) == {offers[pair]}
    cleared = np.select([frame.price < bids[pair], frame.price > offers[pair]], [-10.0, 10.0], 0.0)
    np.testing.assert_array_equal(frame.request_mw, cleared)


def test_power_actions_have_no_bids_to_show(tmp_path):
    frame = make_world(tmp_path).evaluate(lambda seen: np.ones(len(seen), np.int64), "test").frame
    assert not set(COLUMNS) & set(frame)


@pytest.mark.parametrize(
    ("kind", "space"),
    [("continuous", gym.spaces.Box(-1.0, 1.0, (2,), np.float32)), ("discrete", gym.spaces.Discrete(15))],
)
def test_many_batteries_are_dispatched_as_their_bids_clear(tmp_path, kind, space):
    env = make_bidding_world(tmp_path, kind, battery=make_battery()).vector_env(64, 0)
    assert env.single_action_space == space
    assert env.action_space.shape == (64, *space.shape)
    env.reset(seed=0)
    env.action_space.seed(0)
    scale, checked = PriceScale.fit(PRICE[:TRAIN_END], 5), 0
    ladder = [(b, o) for k, b in enumerate(scale.ladder) for o in scale.ladder[k:]]
    for _ in range(300):
        actions, before = env.action_space.sample(), env.get_state()
        _, reward, _, _, _ = env.step(actions)
        after, price = env.get_state(), PRICE[before["row"]]
        bid, offer = (np.array(ladder)[actions] if kind == "discrete" else scale.to_price(np.sort(actions))).T
        crossed = (np.diff(actions) < 0).ravel() if kind == "continuous" else np.zeros(64, bool)
        live = ~before["done"] & ~crossed
        stored = after["energy"] - before["energy"]
        assert (stored[live & (price >= bid) & (price <= offer)] == 0).all()
        assert (stored[live & (price < bid) & (before["energy"] < 36.0)] > 0).all()
        assert (stored[live & (price > offer) & (before["energy"] > 4.0)] < 0).all()
        sold = np.where(stored < 0, -stored * 0.85**0.5, -stored / 0.85**0.5)
        np.testing.assert_allclose(reward[live] * env.reward.scale, (price * sold)[live], atol=1e-6)
        checked += live.sum()
    assert checked > 5_000


def test_a_restored_environment_with_bids_continues_identically(tmp_path):
    world = make_bidding_world(tmp_path)
    env, other = world.vector_env(4, 0), world.vector_env(4, 77)
    env.reset(seed=1)
    other.reset()
    other.set_state(env.get_state())
    env.action_space.seed(0)
    for _ in range(400):
        actions = env.action_space.sample()
        for one, two in zip(env.step(actions)[:4], other.step(actions)[:4], strict=True):
            np.testing.assert_array_equal(one, two)
    assert same_arrays(env.get_state(), other.get_state())


def test_the_summary_says_what_is_known_of_the_price(tmp_path, world):
    label = "Price of the dispatched interval"
    assert world.summary()[label] == "unknown: bids and offers are made before it, and cleared against it"
    for price_lag, known in ((0, "known"), (1, "unknown, only the price before it is known")):
        assert make_world(tmp_path, price_lag=price_lag).summary()[label] == known


def test_a_stored_policy_bids_the_same_prices_on_another_market(tmp_path, world):
    state = json.loads(json.dumps(world.observation_state()))
    expensive = make_series(3 * PRICE + 100)
    stored, fitted = (make_bidding_world(tmp_path, series=expensive, state=chosen) for chosen in (state, None))
    actor = lambda seen: np.tile([-0.7, -0.5], (len(seen), 1))  # noqa: E731
    here, elsewhere, refitted = (w.evaluate(actor, "test").frame for w in (world, stored, fitted))
    for column in COLUMNS:
        assert set(here[column]) == set(elsewhere[column]) != set(refitted[column])
    assert stored.observation_state() == world.observation_state()
    assert stored.action == world.action != fitted.action


def test_a_world_of_power_actions_does_not_keep_a_scale_of_bids(tmp_path, world):
    assert "bids" in world.observation_state() and "bids" not in make_world(tmp_path).observation_state()


def test_the_scale_of_bids_is_fitted_to_training_prices_outside_gaps(tmp_path):
    gap = np.zeros(len(PRICE), np.bool_)
    gap[288:300] = True
    outliers = PRICE.copy()
    outliers[288:300], outliers[TRAIN_END:] = 90_000.0, -90_000.0
    fitted = make_bidding_world(tmp_path, series=make_series(outliers, gap=gap)).action
    assert fitted.values[0] == (PRICE[:TRAIN_END].min(), PRICE[:TRAIN_END].max())
    assert fitted.squash == pytest.approx(np.median(np.abs(PRICE[:TRAIN_END][~gap[:TRAIN_END]])))


def test_a_bid_comes_before_the_price_whatever_the_price_lag():
    for price_lag in (0, 1):
        env = make_option("unused", actions="bids", price_lag=price_lag)
        assert env.known_lag == 1
        assert env.offers == ("continuous", "discrete")


def test_baselines_of_a_world_with_bids_bid(tmp_path):
    world = make_bidding_world(tmp_path)
    for period in ("validation", "test"):
        problem = world.problem(period)
        assert problem.bids and problem.price_lag == 1
    frames = {name: evaluation.frame for name, evaluation in world.baselines("test").items()}
    lagged = {
        name: evaluation.frame for name, evaluation in make_world(tmp_path, price_lag=1).baselines("test").items()
    }
    # Both have the same cache folder. Perfect foresight is the same, and the rule buys at once instead of too late.
    assert frames["perfect_foresight"].power_mw.equals(lagged["perfect_foresight"].power_mw)
    assert frames["rule"].profit.sum() > lagged["rule"].profit.sum()


def test_cached_requests_are_not_those_of_a_problem_without_bids(tmp_path, monkeypatch):
    computed = []
    monkeypatch.setattr(
        PercentileRule, "requests", lambda self, problem: computed.append(problem.bids) or np.zeros(4 * 288)
    )
    for _ in range(2):
        make_world(tmp_path, price_lag=1).baselines("test")
        make_bidding_world(tmp_path).baselines("test")
    assert computed == [False, True]
