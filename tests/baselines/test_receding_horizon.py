"""Receding horizon: plans on the published forecast, or else on the same hours of past days."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from battery_lab.baselines.receding_horizon import RecedingHorizon
from battery_lab.common.errors import ConfigError
from battery_lab.planning.expected_prices import expect_prices
from tests.baselines.small_problem import PER_DAY, make_baseline, make_problem, profit_of
from tests.small_batteries_and_series import wavy_prices

PRICE = wavy_prices(45, seed=2, intervals_per_day=PER_DAY)


def with_forecast(forecast: np.ndarray, lead_h: float | None, lag: int = 0) -> object:
    lead = {} if lead_h is None else {"price_forecast": lead_h}
    return make_problem(PRICE, lag=lag, columns={"price_forecast": forecast}, lead_h=lead)


@pytest.mark.parametrize("lag", [0, 1])
def test_perfect_forecast_gives_nearly_perfect_foresight(lag: int) -> None:
    best = profit_of(make_problem(PRICE), "perfect_foresight")
    assert profit_of(with_forecast(PRICE, 36.0, lag), "receding_horizon") > 0.99 * best
    assert profit_of(make_problem(PRICE), "receding_horizon") < 0.98 * best


@pytest.mark.parametrize("lag", [0, 1])
def test_does_not_use_forecasts_before_they_are_published(lag: int) -> None:
    plain = make_baseline("receding_horizon").requests(with_forecast(PRICE, 6.0, lag))
    for t in (0, 31, 5 * PER_DAY):
        published = 35 * PER_DAY + t + 12  # 6 h ahead of row t
        changed = PRICE.copy()
        changed[published + 1 :] += np.random.default_rng(0).normal(0, 500, len(PRICE) - published - 1)
        requests = make_baseline("receding_horizon").requests(with_forecast(changed, 6.0, lag))
        np.testing.assert_array_equal(requests[: t + 1], plain[: t + 1])
        assert np.any(requests != plain)


def test_forecast_without_lead_time_is_not_used() -> None:
    plain = make_baseline("receding_horizon").requests(make_problem(PRICE))
    noise = np.random.default_rng(0).normal(0, 500, len(PRICE))
    np.testing.assert_array_equal(make_baseline("receding_horizon").requests(with_forecast(noise, None)), plain)


@pytest.mark.parametrize("lag", [0, 1])
@pytest.mark.parametrize("lead", [-1, 0, 5, 60])
@pytest.mark.parametrize("t", [1, 10, 30 * PER_DAY])
def test_expected_prices_use_known_prices_and_published_forecasts_only(t: int, lead: int, lag: int) -> None:
    price, published = PRICE.copy(), PRICE.copy()
    price[t - lag + 1 :] = np.nan
    published[t + lead + 1 :] = np.nan
    ahead = np.empty(3 * PER_DAY)
    expect_prices(ahead, t, lag, price, published, lead, (PER_DAY, 7))
    assert np.all(np.isfinite(ahead))
    known = np.arange(t, t + lead + 1)
    np.testing.assert_array_equal(ahead[: len(known)], PRICE[known])
    if t > 8 * PER_DAY:
        tomorrow = PRICE[t + 61 - 7 * PER_DAY - PER_DAY : t + 61 - PER_DAY : PER_DAY]
        assert ahead[61] == pytest.approx(tomorrow.mean())


def test_without_a_forecast_it_expects_the_mean_of_past_days() -> None:
    day = np.where(np.arange(PER_DAY) < PER_DAY // 2, 20.0, 100.0)
    problem = make_problem(np.tile(day, 45))
    best = profit_of(problem, "perfect_foresight")
    assert profit_of(problem, "receding_horizon") == pytest.approx(best, rel=0.01)
    # Prices were ten times as high until three days ago. A longer memory waits for them to return.
    fallen = make_problem(np.concatenate([np.tile(10 * day, 32), np.tile(day, 13)]))
    assert profit_of(fallen, "receding_horizon", days=2) == pytest.approx(best, rel=0.01)
    assert profit_of(fallen, "receding_horizon", days=14) < 0.8 * best


def test_leaves_no_energy_at_the_end() -> None:
    day = np.where(np.arange(PER_DAY) < PER_DAY // 2, 20.0, 100.0)
    problem = make_problem(np.tile(day, 45)[: -PER_DAY // 2])
    requests = make_baseline("receding_horizon").requests(problem)
    assert problem.battery.run(requests, 0.5)[1][-1] < problem.battery.energy_min_mwh + 0.1


def test_plans_as_soon_as_a_price_is_known() -> None:
    day = np.where(np.arange(PER_DAY) < PER_DAY // 2, 20.0, 100.0)
    known = make_problem(
        np.tile(day, 45), lag=1, columns={"price_forecast": np.tile(day, 45)}, lead_h={"price_forecast": 36.0}
    )
    requests = make_baseline("receding_horizon", replan_minutes=240).requests(replace(known, first=0, end=PER_DAY))
    assert requests[0] == 0
    assert requests[1:4].max() <= 0 and requests[: PER_DAY // 2].min() < 0


def test_rare_planning_costs_little_if_the_forecast_does_not_change() -> None:
    problem = make_problem(PRICE)
    often = profit_of(problem, "receding_horizon", replan_minutes=30)
    assert profit_of(problem, "receding_horizon", replan_minutes=240) == pytest.approx(often, rel=0.02)


@pytest.mark.parametrize(
    ("field", "value"),
    [("horizon_h", 0), ("horizon_h", float("nan")), ("replan_minutes", 0), ("replan_minutes", 1500), ("days", 0)],
)
def test_invalid_number_names_the_field(field: str, value: float) -> None:
    options = {
        "horizon_h": 24,
        "replan_minutes": 30,
        "days": 7,
        "forecasts": None,
        "latency_h": 0.0,
        "unknown_price": "corrected",
    } | {field: value}
    with pytest.raises(ConfigError, match=rf"env\.baselines\.receding_horizon\.{field} must .*got {value}"):
        RecedingHorizon(**options)


def test_after_a_gap_the_forecast_is_corrected_by_the_newest_known_price() -> None:
    gap = np.zeros(len(PRICE), bool)
    first = 35 * PER_DAY + 100
    gap[first : first + 60] = True
    # The forecast has a constant error, so the last known price corrects it to the true price.
    forecast, price = PRICE + 70, np.where(gap, PRICE[first - 1], PRICE)
    columns = {"columns": {"price_forecast": forecast}, "lead_h": {"price_forecast": 36.0}}
    known = make_problem(price, lag=0, gap=gap, **columns)
    late = make_problem(price, lag=1, gap=gap, **columns)
    after = first + 60 - known.first
    requests = [make_baseline("receding_horizon").requests(problem) for problem in (known, late)]
    np.testing.assert_allclose(requests[1][after], requests[0][after])
    other = make_problem(np.where(gap, 5_000.0, price), lag=1, gap=gap, **columns)
    np.testing.assert_array_equal(make_baseline("receding_horizon").requests(other), requests[1])
