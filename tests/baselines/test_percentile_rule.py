"""Percentile rule, on prices that are easy to rank."""

from __future__ import annotations

import numpy as np
import pytest

from battery_lab.baselines.percentile_rule import PercentileRule
from battery_lab.common.errors import ConfigError
from battery_lab.envs.battery.dispatch_problem import DispatchProblem
from tests.small_batteries_and_series import make_battery, make_series


def problem(price: list[float], first: int, lag: int = 0, bids: bool = False) -> DispatchProblem:
    series = make_series(price, 1.0)
    return DispatchProblem(
        series=series, battery=make_battery(), first=first, end=len(price), train_end=0, price_lag=lag, bids=bids
    )


def rule(**changes: float) -> PercentileRule:
    return PercentileRule(**({"low_quantile": 0.25, "high_quantile": 0.75, "window_days": 5 / 24} | changes))


def test_buys_low_sells_high_and_holds_between() -> None:
    requests = rule().requests(problem([10, 20, 30, 40, 5, 60, 35, 40], first=4))
    # Windows of five hours: 5 is the lowest of (10 20 30 40 5), 60 the highest of (20 30 40 5 60).
    np.testing.assert_array_equal(requests, [-10, 10, 0, 0])


def test_acts_an_interval_later_with_price_lag_one() -> None:
    now = rule().requests(problem([10, 20, 30, 40, 5, 60, 35, 40], first=4))
    late = rule().requests(problem([10, 20, 30, 40, 5, 60, 35, 40], first=4, lag=1))
    np.testing.assert_array_equal(late[1:], now[:-1])


def test_bids_the_quantiles_of_the_prices_before() -> None:
    price = [10.0, 20, 30, 40, 5, 60, 35, 40]
    # Quartiles of (10 20 30 40): 17.5 and 32.5; of the windows of five hours after it: 10 and 30, 20 and 40, 30 and 40.
    np.testing.assert_array_equal(rule().requests(problem(price, first=4, lag=1, bids=True)), [-10, 10, 0, 0])
    for bid_or_offer, below, above in ((17.5, -10, 0), (32.5, 0, 10)):
        for change, cleared in ((-0.01, below), (0.0, 0), (0.01, above)):
            requests = rule().requests(problem([*price[:4], bid_or_offer + change], first=4, lag=1, bids=True))
            np.testing.assert_array_equal(requests, [cleared])


def test_ignores_prices_older_than_its_window() -> None:
    price = [1000.0, 1000, 1000, 1000, 10, 20, 30, 40, 50]
    assert rule().requests(problem(price, first=8))[0] == 10
    assert rule(window_days=9 / 24).requests(problem(price, first=8))[0] == 0


def test_ranks_among_the_available_prices_at_the_start() -> None:
    np.testing.assert_array_equal(rule().requests(problem([50, 10, 90], first=0)), [0, -10, 10])


@pytest.mark.parametrize("lag", [0, 1])
def test_window_extends_before_the_first_row(lag: int) -> None:
    price = np.random.default_rng(0).normal(50, 30, 60).tolist()
    whole = rule().requests(problem(price, first=0, lag=lag))
    for first in range(1, 50):
        np.testing.assert_array_equal(rule().requests(problem(price, first=first, lag=lag)), whole[first:])


def test_holds_on_a_flat_market() -> None:
    np.testing.assert_array_equal(rule().requests(problem([50.0] * 30, first=10)), np.zeros(20))


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("low_quantile", -0.1),
        ("low_quantile", 20),
        ("low_quantile", float("nan")),
        ("high_quantile", 0.1),
        ("high_quantile", 80),
        ("window_days", 0),
        ("window_days", float("inf")),
    ],
)
def test_invalid_number_names_the_field(field: str, value: float) -> None:
    with pytest.raises(ConfigError, match=rf"env\.baselines\.rule\.{field} must .*got {value}"):
        rule(**{field: value})
