"""The world of a battery on a market: split by time, judged by its own accounts, compared with its own baselines."""

from __future__ import annotations

import sys
from types import SimpleNamespace

import numpy as np
import pytest

from battery_lab.baselines.perfect_foresight import PerfectForesight
from battery_lab.baselines.rule import Rule
from battery_lab.dispatch import Dispatch
from battery_lab.envs import battery_market
from battery_lab.errors import ConfigError, DataError
from battery_lab.evaluation import flat_metrics, table, with_shares
from tests.envs.worlds import make_option, make_world
from tests.factories import make_battery, make_series, wavy_prices


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    return make_world(tmp_path_factory.mktemp("cache"))


def hold(observation):
    return np.ones(len(observation), np.int64)


def test_time_is_split_into_training_then_validation_then_test(world):
    validation, test = world.problem("validation"), world.problem("test")
    assert validation.train_end == validation.first == 17 * 288
    assert validation.end == test.first == 20 * 288
    assert test.end == 24 * 288
    assert test.train_end == 17 * 288


def test_a_policy_that_holds_earns_nothing(world):
    metrics = world.judge(hold, "test").metrics
    assert metrics == {"profit_per_day": 0.0, "revenue_per_day": 0.0, "equivalent_full_cycles_per_day": 0.0}


def test_the_judgement_is_the_sum_of_its_intervals(world):
    judged = world.judge(lambda seen: np.where(seen[:, 1] > 0.5, 2, 0), "test")
    frame = judged.frame
    assert len(frame) == 4 * 288
    assert judged.metrics["profit_per_day"] == pytest.approx(frame.profit.sum() / 4)
    assert judged.metrics["revenue_per_day"] == pytest.approx((frame.price * frame.power_mw / 12).sum() / 4)
    np.testing.assert_allclose(frame.profit, frame.revenue - frame.wear - frame.grid_fee)
    assert frame.soc.between(0.1, 0.9).all()
    discharged_mwh = frame.power_mw.clip(lower=0).sum() / 12 / 0.85**0.5
    assert judged.metrics["equivalent_full_cycles_per_day"] == pytest.approx(discharged_mwh / 40 / 4)


def test_a_judgement_repeats_to_the_cent(world):
    def actor(seen):
        return np.where(seen[:, 1] > 0.2, 2, np.where(seen[:, 1] < -0.2, 0, 1))

    assert world.judge(actor, "test").metrics == world.judge(actor, "test").metrics


def test_nothing_beats_perfect_foresight(world):
    judged = {"policy": world.judge(lambda seen: np.where(seen[:, 1] > 0, 2, 0), "test")} | world.baselines("test")
    shares = with_shares(world, judged)
    assert shares["perfect_foresight"]["capture"] == 1.0
    assert all(metrics["capture"] <= 1.0 for metrics in shares.values())
    assert table(shares, world.score).index[0] == "perfect_foresight"


def test_metrics_have_the_names_that_scripts_rely_on(world):
    judged = {"ppo": world.judge(hold, "test")} | world.baselines("test")
    flat = flat_metrics(with_shares(world, judged), "ppo")
    assert {"test/profit_per_day", "test/revenue_per_day", "test/capture", "test/lift_over_rule",
            "test/equivalent_full_cycles_per_day", "baseline/rule/profit_per_day", "baseline/rule/revenue_per_day",
            "baseline/rule/capture", "baseline/perfect_foresight/profit_per_day"} <= set(flat)  # fmt: skip
    assert flat["test/lift_over_rule"] == -1.0


def test_baselines_are_worked_out_once_a_market_battery_and_period(tmp_path, monkeypatch):
    world = make_world(tmp_path)
    before = world.baselines("test")["rule"].metrics
    monkeypatch.setattr(Rule, "requests", lambda self, problem: pytest.fail("worked out again"))
    assert make_world(tmp_path).baselines("test")["rule"].metrics == before
    with pytest.raises(pytest.fail.Exception, match="worked out again"):
        make_world(tmp_path, price_lag=1).baselines("test")


@pytest.mark.parametrize(
    "changes",
    [
        {"series": make_series(wavy_prices(24, seed=1))},
        {"battery": make_battery(power_mw=5.0)},
        {"validation_days": 4},
        {
            "baselines": {
                "rule": Rule(low_quantile=0.3, high_quantile=0.8, window_days=7),
                "perfect_foresight": PerfectForesight(),
            }
        },
    ],
    ids=["prices", "battery", "training time", "parameter"],
)
def test_baselines_are_worked_out_again_where_anything_else_is_chosen(tmp_path, monkeypatch, changes):
    make_world(tmp_path).baselines("test")
    asked = []
    monkeypatch.setattr(
        Rule, "requests", lambda self, problem: asked.append(1) or np.zeros(problem.end - problem.first)
    )
    make_world(tmp_path, **changes).baselines("test")
    assert asked


def test_baselines_of_equally_long_periods_are_kept_apart(tmp_path):
    world = make_world(tmp_path, validation_days=4)
    world.baselines("validation")
    validation, test = (world.baselines(period)["perfect_foresight"].frame for period in ("validation", "test"))
    np.testing.assert_allclose(test.power_mw, test.request_mw, atol=1e-9)
    assert not np.array_equal(validation.request_mw, test.request_mw)


def test_a_cache_file_of_another_length_is_worked_out_again(tmp_path):
    before = make_world(tmp_path).baselines("test")["rule"].metrics
    for path in (tmp_path / "baselines").iterdir():
        np.save(path, np.zeros(5))
    assert make_world(tmp_path).baselines("test")["rule"].metrics == before


def test_the_digest_tells_prices_and_splits_apart(tmp_path):
    changes = [{}, {"series": make_series(wavy_prices(24, seed=1))}, {"test_days": 5}, {"validation_days": 4}]
    # A day more of test and a day less of validation leave the end of training where it is.
    changes.append({"test_days": 5, "validation_days": 2})
    digests = [make_world(tmp_path, **change).digest for change in changes]
    assert len(set(digests)) == len(changes)
    assert make_world(tmp_path, series=make_series(wavy_prices(24))).digest == digests[0]


def test_a_damaged_cache_file_is_worked_out_again(tmp_path):
    before = make_world(tmp_path).baselines("test")["rule"].metrics
    for path in (tmp_path / "baselines").iterdir():
        path.write_bytes(path.read_bytes()[:100])
    assert make_world(tmp_path).baselines("test")["rule"].metrics == before


def test_the_optimum_replayed_earns_what_it_says(world):
    problem = world.problem("test")
    frame = world.baselines("test")["perfect_foresight"].frame
    again = Dispatch.replay(problem, frame.request_mw.to_numpy())
    np.testing.assert_allclose(again.frame().profit, frame.profit)
    np.testing.assert_allclose(frame.power_mw, frame.request_mw, atol=1e-9)


def test_too_short_a_market_says_how_long_it_must_be(tmp_path):
    with pytest.raises(DataError, match=r"holds 8\.0 days, and the split needs at least 9\.0: 4 for test.*3 for valid"):
        make_world(tmp_path, series=make_series(wavy_prices(8)))


def test_a_gap_in_the_judged_time_is_refused_with_its_place(tmp_path):
    gap = np.zeros(24 * 288, bool)
    gap[22 * 288] = True
    with pytest.raises(DataError, match=r"gap at 2024-01-23 10:00.*market\.gaps=fill"):
        make_world(tmp_path, series=make_series(wavy_prices(24), gap=gap))


def test_an_episode_that_fits_between_no_gaps_is_refused(tmp_path):
    gap = np.zeros(24 * 288, bool)
    gap[: 17 * 288 : 288] = True
    with pytest.raises(ConfigError, match=r"env\.episode_days must fit between two gaps"):
        make_world(tmp_path, series=make_series(wavy_prices(24), gap=gap))


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"price_lag": 2}, "env.price_lag"),
        ({"episode_days": 0}, "env.episode_days"),
        ({"validation_days": 0}, "env.validation_days"),
        ({"test_days": 0}, "env.test_days"),
        ({"actions": "both"}, "env.actions"),
        ({"action_levels": 4}, "env.action_levels must be an odd number"),
        ({"action_levels": 1}, "env.action_levels"),
        ({"action_levels": 203}, "env.action_levels"),
        ({"baselines": {}}, "env.baselines"),
    ],
)
def test_a_bad_option_is_named(tmp_path, change, named):
    with pytest.raises(ConfigError, match=named):
        make_option(tmp_path, **change)


def test_hindsight_regret_is_never_positive_in_training(tmp_path):
    from tests.compositions import option

    world = make_world(tmp_path, reward=option("reward", "regret"))
    env = world.vector_env(64, 0)
    env.reset(seed=0)
    rng = np.random.default_rng(0)
    rewards = np.array([env.step(rng.integers(0, 3, 64))[1] for _ in range(600)]) * env.reward.scale
    # The table is interpolated between levels; a spike in these prices moves thousands.
    assert rewards.max() < 10.0
    assert rewards.mean() < -1.0


def test_nothing_is_fitted_on_judged_time_and_what_was_fitted_before_is_kept(tmp_path):
    prices = wavy_prices(24)
    other = np.where(np.arange(len(prices)) < 17 * 288, prices, 7e3)
    world, changed = make_world(tmp_path), make_world(tmp_path, series=make_series(other))
    assert world.observation_state() == changed.observation_state()
    assert world.vector_env(1, 0).reward.scale == changed.vector_env(1, 0).reward.scale
    assert len(world.hindsight.base) == 17 * 288 + 1
    elsewhere = make_option(tmp_path, series=make_series(prices + 30)).open("discrete", world.observation_state())
    assert elsewhere.observation_state() == world.observation_state()


def test_a_changed_baseline_is_worked_out_again(tmp_path, monkeypatch):
    before = make_world(tmp_path).baselines("test")["rule"].metrics
    monkeypatch.setattr("battery_lab.envs.battery_market._sources", lambda baseline: "another state of the code")
    monkeypatch.setattr(Rule, "requests", lambda self, problem: np.zeros(problem.end - problem.first))
    assert before["profit_per_day"] != 0
    assert make_world(tmp_path).baselines("test")["rule"].metrics["profit_per_day"] == 0


def test_a_change_in_any_file_that_requests_come_from_is_a_change(tmp_path, monkeypatch):
    package, mine = tmp_path / "package", tmp_path / "mine.py"
    used = [*(battery_market.PACKAGE / f"{room}.py" for room in battery_market.ROOMS)]
    used += (battery_market.PACKAGE / "baselines").glob("*.py")
    copies = [package / path.relative_to(battery_market.PACKAGE) for path in used]
    for path, copy in zip(used, copies, strict=True):
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes(path.read_bytes())
    mine.write_text("class Mine: pass")
    module = SimpleNamespace(__file__=str(mine))
    monkeypatch.setitem(sys.modules, "mine", module)
    monkeypatch.setattr(battery_market, "PACKAGE", package)
    baseline = type("Mine", (), {"__module__": "mine"})
    seen = {battery_market._sources(baseline)}
    for path in (*copies, mine):
        path.write_bytes(path.read_bytes() + b"#")
        seen.add(battery_market._sources(baseline))
    assert len(seen) == len(copies) + 2
    assert {"battery.py", "levels.py", "optimum.py", "series.py", "rule.py"} <= {path.name for path in copies}


def test_a_cache_that_cannot_be_written_costs_no_run(tmp_path):
    (tmp_path / "baselines").write_text("in the way")
    assert make_world(tmp_path).baselines("test")["rule"].metrics["profit_per_day"] != 0


def test_an_episode_of_no_interval_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="env.episode_days must be at least one interval"):
        make_world(tmp_path, episode_days=0.001)
