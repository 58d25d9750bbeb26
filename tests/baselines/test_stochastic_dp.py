"""Stochastic dynamic programming: the fitted price model, its training period, and the resulting dispatch."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from battery_lab.baselines.stochastic_dp import StochasticDP, fit_prices
from battery_lab.common.errors import ConfigError
from battery_lab.envs.battery.dispatch_problem import DispatchProblem
from tests.baselines.small_problem import PER_DAY, make_baseline, make_problem, profit_of
from tests.small_batteries_and_series import make_battery, make_series, wavy_prices


def test_learns_the_transitions_of_prices() -> None:
    model = fit_prices(make_series([10.0, 90, 90] * 240, 1.0, time_zone="UTC"), np.array([0.5]))
    # The cycle has three hours, so hour 0 is always 10 and hours 1 and 2 are always 90.
    assert np.all(model.mean[0] == 10)
    assert np.all(model.mean[1] == 90)
    assert model.transition.shape == (24, 2, 2)
    np.testing.assert_allclose(model.transition.sum(axis=2), 1)
    model = fit_prices(make_series(np.repeat([10.0, 90], 40 * PER_DAY), 0.5), np.array([0.5]))
    np.testing.assert_allclose(model.mean, np.tile([10, 90], (24, 1)))
    np.testing.assert_allclose(model.transition[5], np.eye(2), atol=1e-4)


def test_does_not_learn_across_a_gap() -> None:
    price = np.tile([10.0, 90, 50, 90], 600)
    gap = np.tile([False, False, True, False], 600)
    model = fit_prices(make_series(price, 1.0, gap=gap, time_zone="UTC"), np.array([0.3, 0.6]))
    # Each hour has a single price, so all its prices are in the lowest bin. Hour 2 is a gap.
    np.testing.assert_allclose(model.transition[1, 0], 1 / 3)
    np.testing.assert_allclose(model.transition[2, 0], 1 / 3)
    assert model.transition[3, 0, 0] > 0.99


def test_fits_on_training_time_only() -> None:
    price = wavy_prices(45, seed=2, intervals_per_day=PER_DAY)
    changed = price.copy()
    changed[30 * PER_DAY : 35 * PER_DAY - 1] = 17_500
    requests = make_baseline("stochastic_dp").requests(make_problem(price))
    np.testing.assert_array_equal(make_baseline("stochastic_dp").requests(make_problem(changed)), requests)
    changed[: 10 * PER_DAY] = 17_500
    assert np.any(make_baseline("stochastic_dp").requests(make_problem(changed)) != requests)


def test_is_nearly_optimal_if_the_hour_determines_the_price() -> None:
    day = np.where(np.arange(PER_DAY) < PER_DAY // 2, 20.0, 100.0)
    problem = make_problem(np.tile(day, 45))
    # It does not know that energy left at the end has no value, which costs one sale at most.
    assert profit_of(problem, "stochastic_dp") > 0.95 * profit_of(problem, "perfect_foresight")


def test_buys_in_the_only_cheap_hour_for_the_only_expensive_hour() -> None:
    hour = np.arange(45 * PER_DAY) // 2 % 24
    price = np.select([hour == 6, hour == 20], [20.0, 100.0], 50.0)
    problem = make_problem(price, battery=make_battery(power_mw=40.0), time_zone="UTC")
    assert profit_of(problem, "stochastic_dp") > 0.95 * profit_of(problem, "perfect_foresight")


def test_price_lag_does_not_matter_if_the_hour_determines_the_price() -> None:
    hour = np.arange(45 * PER_DAY) // 2 % 24
    price = np.select([hour == 6, hour == 20], [20.0, 100.0], 50.0)
    at_once, late = (
        make_baseline("stochastic_dp").requests(make_problem(price, lag=lag, time_zone="UTC")) for lag in (0, 1)
    )
    cheap, expensive = hour[35 * PER_DAY :] == 6, hour[35 * PER_DAY :] == 20
    for requests in (at_once, late):
        assert (requests[cheap] == -10).all() and (requests[expensive] > 9.9).all()


def test_uses_the_price_before_its_first_row() -> None:
    hour = np.arange(45 * PER_DAY) // 2 % 24
    price = np.select([hour == 6, hour == 20], [20.0, 100.0], 50.0)
    problem = replace(make_problem(price, lag=1, time_zone="UTC"), first=35 * PER_DAY + 12)
    assert make_baseline("stochastic_dp").requests(problem)[0] == -10


def test_with_lag_the_last_price_predicts_the_next_by_its_hour() -> None:
    high = np.random.default_rng(0).permutation(np.repeat([True, False], 30))
    price = np.full((60, 24), 50.0)
    # The price at 13:00 equals the price at 12:00, and the price at 14:00 is the opposite.
    price[:, 12] = price[:, 13] = np.where(high, 90, 10)
    price[:, 14] = 100 - price[:, 13]
    series = make_series(price.ravel(), 1.0, time_zone="UTC")
    problem = DispatchProblem(
        series=series, battery=make_battery(), first=0, end=len(series), train_end=len(series), price_lag=1
    )
    at_one = StochasticDP(quantiles=[0.5], days=3).requests(problem)[13::24]
    assert at_one[high].min() > 0 > at_one[~high].max()


def test_price_lag_costs_some_profit() -> None:
    at_once, late = (profit_of(make_problem(lag=lag), "stochastic_dp") for lag in (0, 1))
    assert 0.2 * at_once < late < at_once


@pytest.mark.parametrize("interval_h", [1 / 12, 0.25, 1.0])
def test_supports_any_interval_and_clock_changes(interval_h: float) -> None:
    price = wavy_prices(40, intervals_per_day=round(24 / interval_h))
    series = make_series(price, interval_h, start="2024-03-01", time_zone="Europe/Berlin")
    end = len(price)
    problem = DispatchProblem(
        series=series, battery=make_battery(), first=end * 3 // 4, end=end, train_end=end // 2, price_lag=0
    )
    assert profit_of(problem, "stochastic_dp") > 0.3 * profit_of(problem, "perfect_foresight")


@pytest.mark.parametrize(
    ("field", "value"), [("quantiles", []), ("quantiles", [0.5, 0.5]), ("quantiles", [0.1, 95]), ("days", 0)]
)
def test_invalid_number_names_the_field(field: str, value: object) -> None:
    with pytest.raises(ConfigError, match=rf"env\.baselines\.stochastic_dp\.{field} must "):
        StochasticDP(**({"quantiles": [0.5], "days": 4} | {field: value}))
