"""The contract of every baseline: no look-ahead, and no more profit than perfect foresight."""

from __future__ import annotations

import numpy as np
import pytest

from tests.baselines.small_problem import CAUSAL, NAMES, PER_DAY, changed_from, make_baseline, make_problem, profit_of
from tests.small_batteries_and_series import make_battery, wavy_prices

# Baselines that compare the price of an interval with other prices. One that is not named here may ignore prices.
PRICE_DRIVEN = ("receding_horizon", "rule", "stochastic_dp")
DOCUMENTED = (*PRICE_DRIVEN, "perfect_foresight", "random")


def test_conf_has_the_documented_baselines() -> None:
    assert set(DOCUMENTED) <= set(NAMES)


@pytest.mark.parametrize("lag", [0, 1])
@pytest.mark.parametrize("name", CAUSAL)
def test_requests_do_not_depend_on_unknown_prices(name: str, lag: int) -> None:
    problem = make_problem(lag=lag)
    requests = make_baseline(name).requests(problem)
    for t in (0, 1, 17, PER_DAY, 5 * PER_DAY + 3, 10 * PER_DAY - 1):
        unknown = problem.first + t + 1 - lag
        changed = make_baseline(name).requests(make_problem(changed_from(problem.series.price, unknown), lag=lag))
        np.testing.assert_array_equal(changed[: t + 1], requests[: t + 1])


@pytest.mark.parametrize("name", PRICE_DRIVEN)
def test_price_of_the_interval_matters_only_without_lag(name: str) -> None:
    spike = 5 * PER_DAY + 25  # at 12:30, when prices are lowest
    for lag in (0, 1):
        problem = make_problem(lag=lag)
        price = problem.series.price.copy()
        price[problem.first + spike] = 9000.0
        requests = make_baseline(name).requests(problem)
        changed = make_baseline(name).requests(make_problem(price, lag=lag))
        assert (changed[spike] > requests[spike]) == (lag == 0)
        assert lag or changed[spike] > 0


@pytest.mark.parametrize("name", CAUSAL)
def test_no_baseline_earns_more_than_perfect_foresight(name: str) -> None:
    problem = make_problem(battery=make_battery(wear_per_mwh=5.0))
    assert profit_of(problem, name) <= profit_of(problem, "perfect_foresight") * 1.001


@pytest.mark.parametrize("changes", [{"self_discharge_per_day": 0.02}, {"power_mw": 60.0}, {"charge_loss_share": 1.0}])
@pytest.mark.parametrize("name", NAMES)
def test_supports_any_battery(name: str, changes: dict) -> None:
    problem = make_problem(battery=make_battery(**changes))
    requests = make_baseline(name).requests(problem)
    assert requests.shape == (10 * PER_DAY,)
    assert requests.dtype == np.float64
    assert np.isfinite(requests).all()
    if name in DOCUMENTED:
        assert np.all(np.abs(requests) <= problem.battery.power_mw * (1 + 1e-9))
        assert len(np.unique(np.sign(requests))) == 3


@pytest.mark.parametrize("lag", [0, 1])
@pytest.mark.parametrize("name", NAMES)
def test_can_start_at_the_first_row_of_the_series(name: str, lag: int) -> None:
    problem = make_problem(lag=lag)
    whole = type(problem)(
        series=problem.series, battery=problem.battery, first=0, end=PER_DAY, train_end=problem.train_end, price_lag=lag
    )
    requests = make_baseline(name).requests(whole)
    assert requests.shape == (PER_DAY,)
    if lag and name in PRICE_DRIVEN:
        assert requests[0] == 0, "no price is known yet"


@pytest.mark.parametrize("name", PRICE_DRIVEN)
def test_earns_more_than_random_on_a_market_with_a_daily_shape(name: str) -> None:
    problem = make_problem()
    assert profit_of(problem, name) > 0.3 * profit_of(problem, "perfect_foresight")
    assert profit_of(problem, "random") < 0.1 * profit_of(problem, "perfect_foresight")


@pytest.mark.parametrize("name", ["perfect_foresight", "receding_horizon", "stochastic_dp"])
@pytest.mark.parametrize("cost", ["wear_per_mwh", "grid_fee_per_mwh"])
def test_cost_of_cycling_reduces_cycles(name: str, cost: str) -> None:
    def sold_mwh(price: float) -> float:
        problem = make_problem(battery=make_battery(**{cost: price}))
        requests = make_baseline(name).requests(problem)
        return float(np.maximum(problem.battery.run(requests, 0.5)[0], 0).sum())

    assert sold_mwh(60.0) < 0.8 * sold_mwh(0.0)


@pytest.mark.parametrize("name", NAMES)
def test_requests_are_reproducible(name: str) -> None:
    problem = make_problem(wavy_prices(45, intervals_per_day=PER_DAY))
    np.testing.assert_array_equal(make_baseline(name).requests(problem), make_baseline(name).requests(problem))
