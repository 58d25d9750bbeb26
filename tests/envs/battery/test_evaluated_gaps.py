"""Gaps in evaluated time: the battery is idle in them, results are those of the rest, and say what is missing."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from battery_lab.baselines.random_dispatch import RandomDispatch
from battery_lab.baselines.stochastic_dp import StochasticDP
from battery_lab.common.errors import DataError
from battery_lab.envs.battery.dispatch_result import Dispatch
from battery_lab.envs.battery.transition_accounts import Transition
from battery_lab.market.market_series import MarketSeries
from battery_lab.planning.capped_optimum import capped_plan
from battery_lab.planning.perfect_foresight import plan
from tests.baselines.small_problem import make_baseline
from tests.envs.small_world import make_option, make_world
from tests.small_batteries_and_series import make_battery, make_series, wavy_prices

PER_DAY, DAYS = 288, 24
TEST = (DAYS - 4) * PER_DAY
# A day and a half of the test period of the small world.
GAP = slice(TEST + 300, TEST + 300 + 432)


def gapped(prices: np.ndarray | None = None, **changes: Any) -> MarketSeries:
    """Return prices whose gap repeats the last price before it."""
    prices = wavy_prices(DAYS) if prices is None else prices.copy()
    gap = np.zeros(len(prices), bool)
    gap[GAP], prices[GAP] = True, prices[GAP.start - 1]
    return make_series(prices, gap=gap, **changes)


def sell_high(observation: np.ndarray) -> np.ndarray:
    """Return an action that depends on the stored energy and on the prices seen."""
    return (observation.sum(axis=1) > 0.3).astype(int) + 1


def in_gap(transition: Transition) -> np.ndarray:
    return np.isin(transition.row, np.arange(GAP.start, GAP.stop))


BASELINES = {
    "random": RandomDispatch(seed=0),
    "receding_horizon": make_baseline("receding_horizon", horizon_h=24, replan_minutes=60, days=3, forecasts=None),
    "stochastic_dp": StochasticDP(quantiles=[0.2, 0.5, 0.8], days=3),
}


@pytest.mark.parametrize("loss", [0.0, 0.2])
@pytest.mark.parametrize("known", [{"price_lag": 0}, {"price_lag": 1}, {"price_lag": 1, "actions": "bids"}])
def test_every_policy_is_idle_in_a_gap_and_its_energy_decays(tmp_path, loss, known):
    battery = make_battery(self_discharge_per_day=loss)
    base = make_option(tmp_path)
    option = make_option(tmp_path, gapped(), battery=battery, baselines={**base.baselines, **BASELINES}, **known)
    world = option.open("discrete")
    evaluations = {"policy": world.evaluate(sell_high, "test")} | world.baselines("test")
    for name, evaluation in evaluations.items():
        idle = evaluation.frame[evaluation.frame["gap"]]
        assert len(idle) == 432 and not idle["power_mw"].any() and not idle["profit"].any(), name
        energy = idle["energy_mwh"].to_numpy()
        np.testing.assert_allclose(energy, energy[0] * (1 - loss) ** (np.arange(432) / PER_DAY), err_msg=name)
        busy = evaluation.frame[~evaluation.frame["gap"]]
        assert busy["power_mw"].any(), name
        days = 4 - 1.5
        assert evaluation.metrics["profit_per_day"] == pytest.approx(busy["profit"].sum() / days), name
    best = evaluations["perfect_foresight"].metrics["profit_per_day"]
    assert all(evaluation.metrics["profit_per_day"] <= best for evaluation in evaluations.values())


@pytest.mark.parametrize("name", ["random", "rule", "receding_horizon", "stochastic_dp", "perfect_foresight"])
def test_what_stands_in_a_gap_changes_no_decision(tmp_path, name):
    base = make_option(tmp_path)
    one, other = gapped(), gapped()
    other.price[GAP] = np.random.default_rng(0).normal(0, 5_000, 432)
    # With the price of the interval known, the first decision after the gap does not read a price in it either.
    requests = [make_world(tmp_path, series=series).problem("test") for series in (one, replace(other, name="OTHER"))]
    baseline = {**base.baselines, **BASELINES}[name]
    before, after = (Dispatch.replay(problem, baseline.requests(problem)).transition for problem in requests)
    np.testing.assert_array_equal(before.power_mw, after.power_mw)


def test_a_gap_is_evaluated_as_two_periods_that_the_stored_energy_joins(tmp_path):
    # A battery without self-discharge is after the gap as it was before, so the gap may as well not exist.
    prices = wavy_prices(DAYS)
    with_gap = plan(gapped(prices).price[TEST:], make_battery(), 1 / 12, gapped(prices).gap[TEST:])
    without = plan(np.delete(prices, GAP)[TEST:], make_battery(), 1 / 12)
    assert with_gap.profit == pytest.approx(without.profit, rel=1e-9)
    np.testing.assert_allclose(np.delete(with_gap.request_mw, slice(300, 732)), without.request_mw)


@pytest.mark.parametrize("loss", [0.0, 0.3])
def test_perfect_foresight_over_a_gap_is_no_worse_than_any_other_schedule(loss):
    battery, rng = make_battery(self_discharge_per_day=loss), np.random.default_rng(1)
    price, gap = wavy_prices(4), np.zeros(4 * PER_DAY, bool)
    gap[400:700] = True
    best = plan(price, battery, 1 / 12, gap)
    assert not best.request_mw[gap].any()
    never = plan(price, battery, 1 / 12, np.zeros(len(gap), bool))
    np.testing.assert_array_equal(never.request_mw, plan(price, battery, 1 / 12).request_mw)
    assert best.profit <= never.profit
    series = make_series(price, gap=gap)
    for _ in range(20):
        changed = best.request_mw + rng.normal(0, 2, len(price)) * (rng.random(len(price)) < 0.02)
        power, energy = battery.run(np.where(gap, 0.0, changed), 1 / 12)
        assert (power * series.price).sum() / 12 <= best.profit * (1 + 1e-3) and len(energy) == len(price) + 1


def test_caps_bind_around_a_gap(tmp_path):
    battery = make_battery(max_cycles_per_day=0.5, max_cycles_per_year=120.0)
    world = make_world(tmp_path, series=gapped(), battery=battery)
    problem = world.problem("test")
    assert problem.allowance.stretch_mwh == pytest.approx(120 * 40 * 2.5 / 365, rel=1e-6)
    best = world.baselines("test")["perfect_foresight"]
    assert best.metrics["yearly_cap_used"] == pytest.approx(1.0, abs=0.02)
    assert best.metrics["max_cycles_in_a_day"] <= 0.5 + 1e-9
    found = capped_plan(problem.dispatched.price, battery, 1 / 12, problem.allowance.day, problem.idle)
    assert found.upper_bound >= found.profit * (1 - 1e-6) > 0


def test_caps_with_self_discharge_over_a_gap_are_refused_with_the_ways_on(tmp_path):
    battery = make_battery(max_cycles_per_day=0.5, self_discharge_per_day=0.1)
    with pytest.raises(DataError, match=r"gap at 2024-01-22 11:00.*caps on cycles and self-discharge: fill the gap"):
        make_world(tmp_path, series=gapped(), battery=battery)


@pytest.mark.parametrize("period", ["validation", "test"])
def test_a_period_that_is_mostly_gap_is_refused(tmp_path, period):
    gap = np.zeros(DAYS * PER_DAY, bool)
    first, days = {"validation": (DAYS - 7, 2), "test": (DAYS - 4, 3)}[period]
    gap[first * PER_DAY : (first + days) * PER_DAY] = True
    with pytest.raises(DataError, match=rf"no price in (67|75)% of the {period} period.*add the files"):
        make_world(tmp_path, series=make_series(wavy_prices(DAYS), gap=gap))


@pytest.mark.parametrize(("first", "period"), [(DAYS - 6, "validation"), (DAYS - 2, "test"), (4, "")])
def test_a_long_filled_stretch_is_refused_in_evaluated_time_only(tmp_path, first, period):
    filled = np.zeros(DAYS * PER_DAY, bool)
    filled[first * PER_DAY : first * PER_DAY + 48] = True
    series = make_series(wavy_prices(DAYS), filled=filled)
    if period:
        words = rf"4 h of filled prices from 2024-01-{first + 1:02d} 10:00.*{period} period.*env.max_filled_h=3"
        with pytest.raises(DataError, match=rf"{words}.*market.gaps=fill_or_split"):
            make_world(tmp_path, series=series)
    assert make_world(tmp_path, series=series, max_filled_h=4.0 if period else 0.0).digest
    assert make_world(tmp_path, series=series, max_filled_h=None).digest


@pytest.mark.parametrize("period", ["validation", "test"])
def test_a_period_of_mostly_filled_prices_is_refused_unless_any_are_accepted(tmp_path, period):
    filled = np.zeros(DAYS * PER_DAY, bool)
    rows = slice(TEST - 3 * PER_DAY, TEST) if period == "validation" else slice(TEST, None)
    filled[rows] = True
    # No stretch is longer than three hours.
    filled[rows.start :: 37] = False
    series = make_series(wavy_prices(DAYS), filled=filled)
    with pytest.raises(DataError, match=rf"no price in 97% of the {period} period \(filled in 97%.*max_filled_h=null"):
        make_world(tmp_path, series=series)
    assert make_world(tmp_path, series=series, max_filled_h=None).digest
    gap = np.zeros(DAYS * PER_DAY, bool)
    gap[rows.start : rows.start + 100] = True
    filled[rows.start : rows.start + 100] = False
    with pytest.raises(DataError, match=rf"of the {period} period \(filled in"):
        make_world(tmp_path, series=replace(series, gap=gap, filled=filled))


@pytest.mark.parametrize(("first", "period"), [(TEST - 36, "validation"), (TEST - 3 * PER_DAY - 60, "validation")])
def test_a_long_filled_stretch_is_refused_also_across_the_border_of_a_period(tmp_path, first, period):
    filled = np.zeros(DAYS * PER_DAY, bool)
    filled[first : first + 72] = True
    series = make_series(wavy_prices(DAYS), filled=filled)
    with pytest.raises(DataError, match=f"6 h of filled prices from .* in the {period} period"):
        make_world(tmp_path, series=series)


def test_results_say_how_much_is_missing_and_evaluated(tmp_path):
    filled = np.zeros(DAYS * PER_DAY, bool)
    filled[[100, 200, TEST - 5, TEST + 5, TEST + 6]] = True
    world = make_world(tmp_path, series=replace(gapped(), filled=filled, notes=("something was left out",)))
    counts = world.data_counts()
    assert {name: count for name, count in counts.items() if count} == {
        "train/filled_intervals": 2,
        "validation/filled_intervals": 1,
        "test/filled_intervals": 2,
        "test/gap_intervals": 432,
    }
    summary = world.summary()
    assert summary["Missing prices"] == (
        "5 intervals filled with the last value before, of these 1 in validation and 2 in test; "
        "432 intervals in gaps, in which the battery is idle, of these 0 in validation and 432 in test"
    )
    assert summary["Notes on the prices"].startswith("something was left out; The training period has 17 days")
    assert world.data_notes()[:2] == [f"Missing prices: {summary['Missing prices']}", "something was left out"]
    frame = world.evaluate(sell_high, "test").frame
    assert (frame["filled"].sum(), frame["gap"].sum()) == (2, 432)


def test_a_complete_series_says_so(tmp_path):
    world = make_world(tmp_path)
    assert world.summary()["Missing prices"] == "none"
    assert not any("Missing" in note for note in world.data_notes())
    assert set(world.data_counts().values()) == {0.0}
