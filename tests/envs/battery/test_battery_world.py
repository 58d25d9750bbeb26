"""Battery world: evaluations, baselines, fitted scales, and what is known and summarised of its data."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from battery_lab.envs.battery.dispatch_result import Dispatch
from battery_lab.experiment.policy_metrics import flat_metrics, table, with_shares
from tests.compositions import option
from tests.envs.small_world import make_option, make_world
from tests.small_batteries_and_series import make_series, wavy_prices


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    return make_world(tmp_path_factory.mktemp("cache"))


def hold(observation):
    return np.ones(len(observation), np.int64)


def test_a_policy_that_holds_earns_nothing(world):
    metrics = world.evaluate(hold, "test").metrics
    assert metrics == {"profit_per_day": 0.0, "revenue_per_day": 0.0, "equivalent_full_cycles_per_day": 0.0}


def test_an_evaluation_sums_its_intervals(world):
    evaluated = world.evaluate(lambda observation: np.where(observation[:, 1] > 0.5, 2, 0), "test")
    frame = evaluated.frame
    assert len(frame) == 4 * 288
    assert evaluated.metrics["profit_per_day"] == pytest.approx(frame.profit.sum() / 4)
    assert evaluated.metrics["revenue_per_day"] == pytest.approx((frame.price * frame.power_mw / 12).sum() / 4)
    np.testing.assert_allclose(frame.profit, frame.revenue - frame.wear - frame.grid_fee)
    assert frame.soc.between(0.1, 0.9).all()
    discharged_mwh = frame.power_mw.clip(lower=0).sum() / 12 / 0.85**0.5
    assert evaluated.metrics["equivalent_full_cycles_per_day"] == pytest.approx(discharged_mwh / 40 / 4)


def test_an_evaluation_is_repeatable(world):
    def actor(observation):
        return np.where(observation[:, 1] > 0.2, 2, np.where(observation[:, 1] < -0.2, 0, 1))

    assert world.evaluate(actor, "test").metrics == world.evaluate(actor, "test").metrics


def test_nothing_beats_perfect_foresight(world):
    evaluated = {
        "policy": world.evaluate(lambda observation: np.where(observation[:, 1] > 0, 2, 0), "test")
    } | world.baselines("test")
    shares = with_shares(world, evaluated)
    assert shares["perfect_foresight"]["capture"] == 1.0
    assert all(metrics["capture"] <= 1.0 for metrics in shares.values())
    assert table(shares, world.score).index[0] == "perfect_foresight"


def test_metrics_have_their_documented_names(world):
    evaluated = {"ppo": world.evaluate(hold, "test")} | world.baselines("test")
    flat = flat_metrics(with_shares(world, evaluated), "ppo")
    assert {"test/profit_per_day", "test/revenue_per_day", "test/capture", "test/lift_over_rule",
            "test/equivalent_full_cycles_per_day", "baseline/rule/profit_per_day", "baseline/rule/revenue_per_day",
            "baseline/rule/capture", "baseline/perfect_foresight/profit_per_day"} <= set(flat)  # fmt: skip
    assert flat["test/lift_over_rule"] == -1.0


def test_the_digest_changes_with_prices_and_split(tmp_path):
    changes = [{}, {"series": make_series(wavy_prices(24, seed=1))}, {"test_days": 5}, {"validation_days": 4}]
    # A day more of test and a day less of validation leave the end of training where it is.
    changes.append({"test_days": 5, "validation_days": 2})
    digests = [make_world(tmp_path, **change).digest for change in changes]
    assert len(set(digests)) == len(changes)
    assert make_world(tmp_path, series=make_series(wavy_prices(24))).digest == digests[0]


def test_a_replay_of_the_optimum_earns_the_same_profit(world):
    problem = world.problem("test")
    frame = world.baselines("test")["perfect_foresight"].frame
    again = Dispatch.replay(problem, frame.request_mw.to_numpy())
    np.testing.assert_allclose(again.frame().profit, frame.profit)
    np.testing.assert_allclose(frame.power_mw, frame.request_mw, atol=1e-9)


def test_hindsight_regret_is_never_positive_in_training(tmp_path):
    world = make_world(tmp_path, reward=option("reward", "regret"))
    env = world.vector_env(64, 0)
    env.reset(seed=0)
    rng = np.random.default_rng(0)
    rewards = np.array([env.step(rng.integers(0, 3, 64))[1] for _ in range(600)]) * env.reward.scale
    # The table is interpolated between levels; a spike in these prices moves thousands.
    assert rewards.max() < 10.0
    assert rewards.mean() < -1.0


def test_scales_are_fitted_on_training_time_only_and_stored_ones_are_kept(tmp_path):
    prices = wavy_prices(24)
    other = np.where(np.arange(len(prices)) < 17 * 288, prices, 7e3)
    world, changed = make_world(tmp_path), make_world(tmp_path, series=make_series(other))
    assert world.observation_state() == changed.observation_state()
    assert world.vector_env(1, 0).reward.scale == changed.vector_env(1, 0).reward.scale
    assert len(world.hindsight.base) == 17 * 288 + 1
    elsewhere = make_option(tmp_path, series=make_series(prices + 30)).open("discrete", world.observation_state())
    assert elsewhere.observation_state() == world.observation_state()


@pytest.mark.parametrize(
    ("changes", "known", "code"),
    [
        ({"price_lag": 0}, "price known", 0),
        ({"price_lag": 1}, "price of the interval before known", 1),
        ({"price_lag": 0, "actions": "bids"}, "bids", 2),
        ({"price_lag": 1, "actions": "bids"}, "bids", 2),
    ],
)
def test_a_world_says_what_is_known_of_the_price_of_the_interval(tmp_path, changes, known, code):
    world = make_option(tmp_path, **changes).open("continuous")
    assert (world.known, world.known_code) == (known, code)


def test_forecasts_are_known_only_if_the_policy_observes_them(tmp_path):
    price = wavy_prices(24)
    columns = {"price_forecast": price + 5, "demand_mw": price}
    series = make_series(price, columns=columns, lead_h={"price_forecast": 24.0})
    forecast = make_world(tmp_path, series=series, observation=option("observation", "forecast"))
    minimal = make_world(tmp_path, series=series)
    assert (forecast.known, minimal.known) == ("price known, price_forecast 24 h ahead", "price known")
    for world in (forecast, minimal):
        assert world.summary()["Forecasts"] == "price_forecast, published 24 h before its interval"


def test_prices_beyond_the_floor_and_the_cap_are_a_note_in_the_summary(tmp_path):
    series = make_series(wavy_prices(24))
    limited = replace(series, price_cap=float(np.sort(series.price)[-3]))
    assert make_world(tmp_path, series=limited).summary()["Prices beyond floor and cap"].startswith("2 intervals, with")
    assert "Prices beyond floor and cap" not in make_world(tmp_path, series=series).summary()
