"""Receding horizon on vintages and on prices that are known ahead: what it uses, what it gains, and no look-ahead."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from battery_lab.baselines.receding_horizon import RecedingHorizon
from battery_lab.common.errors import ConfigError
from battery_lab.envs.battery.dispatch_problem import DispatchProblem
from battery_lab.market.forecasts.daily_publication import DailyPublication
from battery_lab.market.forecasts.forecast_vintages import ForecastVintages
from battery_lab.market.forecasts.future_values import change_unknown
from tests.baselines.small_problem import PER_DAY, make_baseline, make_problem, profit_of
from tests.small_batteries_and_series import make_battery, make_series, wavy_prices

PRICE = wavy_prices(45, seed=2, intervals_per_day=PER_DAY)


def vintages(
    name: str, price: np.ndarray = PRICE, *, rows: int = 60, every: int = 2, error: float = 0.0, late_s: int = 0
) -> ForecastVintages:
    """Return forecasts in half hours of the coming rows, whose error grows with the square root of the distance."""
    start = make_series(price, 0.5).start
    run = np.arange(0, len(price) - rows, every)
    row = run[:, None] + np.arange(rows)
    wrong = np.random.default_rng(0).normal(0, error, row.shape) * np.sqrt(np.arange(rows)) if error else 0.0
    return ForecastVintages.of(
        name=name,
        quantity="price",
        published=np.repeat(start[run], rows) + np.timedelta64(late_s, "s"),
        start=start[row].ravel(),
        value=(price[row] + wrong).ravel(),
    )


def problem_with(*forecasts: ForecastVintages, **options: Any) -> DispatchProblem:
    return make_problem(PRICE, forecasts={known.name: known for known in forecasts}, **options)


@pytest.mark.parametrize("known", [{"lag": 0}, {"lag": 1}, {"bids": True}])
def test_perfect_vintages_give_nearly_perfect_foresight(known: dict[str, Any]) -> None:
    best = profit_of(make_problem(PRICE), "perfect_foresight")
    assert profit_of(problem_with(vintages("day"), **known), "receding_horizon") > 0.98 * best


def test_a_better_product_of_a_finer_step_comes_first_where_it_covers() -> None:
    noisy = vintages("day", error=40.0)
    fine = replace(vintages("hour", rows=4, every=1), step_h=0.5)
    # Two steps of a quarter of an hour per row.
    runs = [
        (published, start + k * np.timedelta64(900, "s"), value)
        for published, start, value in quarters(fine)
        for k in range(2)
    ]
    published, start, value = (np.array(column) for column in zip(*runs, strict=True))
    quarter = ForecastVintages.of(name="quarter", quantity="price", published=published, start=start, value=value)
    assert quarter.step_h == 0.25
    alone, both = (profit_of(problem_with(*known), "receding_horizon") for known in ([noisy], [noisy, quarter]))
    assert both > 1.02 * alone
    only = profit_of(problem_with(noisy, quarter), "receding_horizon", forecasts=["day"])
    assert only == pytest.approx(alone, rel=1e-9)


def quarters(known: ForecastVintages) -> list[tuple[np.datetime64, np.datetime64, float]]:
    times = make_series(PRICE, 0.5).start
    seen = [known.as_of(time) for time in times]
    return [
        (run.published, start, value) for run in seen if run for start, value in zip(run.start, run.values, strict=True)
    ]


def test_without_its_vintages_it_plans_as_before() -> None:
    plain = make_baseline("receding_horizon").requests(make_problem(PRICE))
    requests = make_baseline("receding_horizon", forecasts=[]).requests(problem_with(vintages("day")))
    np.testing.assert_array_equal(requests, plain)


def test_a_latency_makes_plans_older_and_worse() -> None:
    problem = problem_with(vintages("day", rows=80, every=1, error=20.0), lag=1)
    now, late = (profit_of(problem, "receding_horizon", latency_h=hours) for hours in (0.0, 12.0))
    assert late < 0.95 * now


def test_an_unknown_price_may_be_the_forecast_or_the_last_price_with_its_change() -> None:
    # All forecasts are 100 too high: the last price corrects that, and the forecast itself sells too rarely.
    problem = problem_with(vintages("day", PRICE, every=1), lag=1)
    high = {"day": vintages("day", PRICE + 100.0, every=1)}
    problem_high = replace(problem, series=replace(problem.series, forecasts=high))
    requests = {
        choice: make_baseline("receding_horizon", unknown_price=choice).requests(problem_high)
        for choice in ("corrected", "forecast")
    }
    assert (requests["corrected"] != requests["forecast"]).any()
    right = make_baseline("receding_horizon", unknown_price="forecast").requests(problem)
    np.testing.assert_array_equal(right, make_baseline("receding_horizon").requests(problem))


def test_a_newer_vintage_makes_a_plan_at_once() -> None:
    problem = problem_with(vintages("day", error=30.0, every=2))
    often, rarely = (
        make_baseline("receding_horizon", replan_minutes=minutes).requests(problem) for minutes in (60, 720)
    )
    np.testing.assert_array_equal(often, rarely)


@pytest.mark.parametrize("known", [{"lag": 0}, {"lag": 1}, {"bids": True}])
@pytest.mark.parametrize("t", [0, 31, 200])
def test_what_is_not_known_changes_no_request(known: dict[str, Any], t: int) -> None:
    problem = problem_with(vintages("day", error=30.0, late_s=100), vintages("hour", rows=4, every=1), **known)
    column = {"columns": {"price_forecast": PRICE + 3}, "lead_h": {"price_forecast": 6.0}}
    problem = replace(problem, series=replace(problem.series, **column))
    baseline = make_baseline("receding_horizon")
    before = baseline.requests(problem)
    for change in ("higher", "lower"):
        rng = np.random.default_rng(1)
        series = change_unknown(problem.series, problem.first + t, problem.price_lag, change, rng)  # type: ignore[arg-type]
        after = baseline.requests(replace(problem, series=series))
        # With bids, the request of the interval itself depends on its price, which clears the bid.
        same = t + 1 - int(problem.bids)
        np.testing.assert_array_equal(before[:same], after[:same])
        assert (before[same:] != after[same:]).any()


RULES: list[dict[str, Any]] = [
    {"published": {"price": DailyPublication.parse("12:45", "Etc/GMT-10")}},
    {"lead_h": {"price": 12.0}},
]


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("lag", [0, 1])
def test_within_what_is_known_of_day_ahead_prices_it_is_perfect(rule: dict[str, Any], lag: int) -> None:
    battery = make_battery(capacity_mwh=10.0)  # an hour: what is more than 11 hours ahead matters little
    problem = make_problem(PRICE, lag=lag, battery=battery, **rule)
    best = profit_of(problem, "perfect_foresight")
    assert profit_of(problem, "receding_horizon", horizon_h=11) > 0.995 * best
    hidden = make_problem(PRICE, lag=lag, battery=battery)
    assert profit_of(hidden, "receding_horizon", horizon_h=11) < 0.95 * best


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("t", [0, 20, 30, 201])
def test_prices_that_are_not_published_change_no_request(rule: dict[str, Any], t: int) -> None:
    problem = make_problem(PRICE, lag=1, **rule)
    baseline = make_baseline("receding_horizon")
    before = baseline.requests(problem)
    series = change_unknown(problem.series, problem.first + t, 1, "higher", np.random.default_rng(1))
    after = baseline.requests(replace(problem, series=series))
    np.testing.assert_array_equal(before[: t + 1], after[: t + 1])
    assert (before != after).any()


def test_a_day_ahead_price_as_a_forecast_column_is_used_when_it_is_published() -> None:
    rule = {"price_forecast": DailyPublication.parse("12:45", "Etc/GMT-10")}
    problem = make_problem(PRICE, columns={"price_forecast": PRICE}, published=rule)
    best = profit_of(problem, "perfect_foresight")
    plain = profit_of(make_problem(PRICE), "receding_horizon")
    assert profit_of(problem, "receding_horizon") > plain + 0.5 * (best - plain)


def test_gaps_hold_and_are_no_price() -> None:
    gap = np.zeros(len(PRICE), bool)
    first = 35 * PER_DAY + 100
    gap[first : first + 60] = True
    price = np.where(gap, PRICE[first - 1], PRICE)
    forecasts = {"day": vintages("day", error=30.0)}
    baseline = make_baseline("receding_horizon")
    problem, other = (
        make_problem(np.where(gap, filler, price), lag=1, gap=gap, forecasts=forecasts) for filler in (price, 5_000.0)
    )
    np.testing.assert_array_equal(baseline.requests(problem), baseline.requests(other))
    held = baseline.requests(problem)[first - problem.first : first - problem.first + 60]
    assert not held.any()


def test_unknown_forecasts_are_an_error() -> None:
    with pytest.raises(
        ConfigError, match=r"receding_horizon\.forecasts must name forecasts of price.*has day, got 'd'"
    ):
        make_baseline("receding_horizon", forecasts=["d"]).requests(problem_with(vintages("day")))


def test_a_negative_latency_is_an_error() -> None:
    with pytest.raises(ConfigError, match=r"receding_horizon\.latency_h must be 0 or more hours"):
        RecedingHorizon(
            horizon_h=24.0, replan_minutes=60, days=7, forecasts=None, latency_h=-1.0, unknown_price="corrected"
        )
