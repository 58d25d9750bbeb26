"""Fits around gaps: what is fitted to the training period does not count the value that a gap repeats."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from battery_lab.baselines.random_dispatch import RandomDispatch
from battery_lab.baselines.stochastic_dp import fit_prices
from battery_lab.envs.battery.cycle_caps import left_shares, new_meters, shares_before
from battery_lab.envs.battery.fitted_throughput_price import fitted_throughput_price
from battery_lab.market.market_series import MarketSeries
from battery_lab.observations.column_scale import fit_scales
from battery_lab.planning.perfect_foresight import plan
from tests.compositions import option
from tests.envs.small_world import make_option, make_world
from tests.small_batteries_and_series import make_battery, make_series, wavy_prices

PER_DAY, DAYS = 288, 24
GAP = slice(3 * PER_DAY, 13 * PER_DAY)
TEST = (DAYS - 4) * PER_DAY


def gapped(repeated: float, cut: slice = GAP, **changes: Any) -> MarketSeries:
    """Return prices with a gap, in which a price stands that counts nowhere else."""
    prices, gap = wavy_prices(DAYS), np.zeros(DAYS * PER_DAY, bool)
    prices[cut], gap[cut] = repeated, True
    return make_series(prices, gap=gap, **changes)


def test_scales_do_not_depend_on_what_stands_in_a_gap() -> None:
    demand = 5000 + wavy_prices(DAYS)
    columns = [demand, np.where(gapped(0.0).gap, 1e6, demand)]
    one, other = (
        fit_scales(gapped(price, columns={"demand_mw": column}))
        for price, column in zip((50.0, 15_000.0), columns, strict=True)
    )
    assert one == other
    busy = np.delete(wavy_prices(DAYS), GAP)
    assert one["price"].squash == np.median(np.abs(busy))
    assert one["demand_mw"].mean == np.delete(demand, GAP).mean()


def test_a_price_model_does_not_depend_on_what_stands_in_a_gap() -> None:
    one, other = (fit_prices(gapped(price), np.array([0.2, 0.5, 0.8])) for price in (50.0, 15_000.0))
    for before, after in zip(one, other, strict=True):
        np.testing.assert_array_equal(before, after)


def test_random_bids_are_not_prices_that_stand_in_a_gap(tmp_path) -> None:
    series = [gapped(price) for price in (50.0, 15_000.0)]
    problems = [make_option(tmp_path, one, actions="bids").open("continuous").problem("test") for one in series]
    one, other = (RandomDispatch(seed=0).requests(problem) for problem in problems)
    np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("repeated", [-400.0, 50.0, 15_000.0])
def test_the_price_of_cycles_is_fitted_to_known_prices(tmp_path, repeated: float) -> None:
    battery = make_battery(wear_per_mwh=5.0, max_cycles_per_day=0.5)
    problem = make_world(tmp_path, series=gapped(repeated), battery=battery).problem("test")
    price = fitted_throughput_price(str(tmp_path), problem)
    training = problem.training
    request = plan(training.price, battery.priced(price), training.interval_h, training.gap).request_mw
    sold = float(np.maximum(request, 0).sum()) * training.interval_h
    known_days = (~training.gap).sum() / PER_DAY
    assert 0.97 * 0.5 * 40 * known_days <= sold <= 0.5 * 40 * known_days


def test_a_year_of_training_that_is_all_gap_does_not_stop_the_fit(tmp_path) -> None:
    days, prices = 420, wavy_prices(420, intervals_per_day=24)
    gap = np.zeros(days * 24, bool)
    gap[40 * 24 : (days - 7) * 24] = True
    battery = make_battery(max_cycles_per_day=0.5)
    world = make_world(tmp_path, series=make_series(prices, 1.0, gap=gap), battery=battery)
    early = make_world(tmp_path, series=make_series(prices[: 47 * 24], 1.0), battery=battery)
    assert world.throughput_price == pytest.approx(early.throughput_price) and early.throughput_price > 0


def test_what_is_left_of_a_yearly_cap_is_compared_with_intervals_outside_gaps(tmp_path) -> None:
    battery = make_battery(max_cycles_per_year=200.0)
    series = gapped(50.0, slice(TEST + 200, TEST + 700))
    problem = make_world(tmp_path, series=series, battery=battery).problem("test")
    allowance, count = problem.allowance, problem.end - problem.first
    # A battery that uses its cap evenly outside the gap has saved nothing, at any time.
    even = np.where(problem.idle, 0.0, allowance.stretch_mwh / (count - 500))
    shares = shares_before(even, allowance, problem.elapsed)
    np.testing.assert_allclose(shares[:, 1], 0, atol=1e-6)
    meters = new_meters(1)
    meters[0] = [allowance.day[-1], 0, allowance.stretch_mwh]
    last = np.array([count - 1])
    assert abs(left_shares(meters, last, allowance, problem.elapsed[last])[0, 1]) < 1e-4


def test_a_policy_that_holds_sees_its_savings_grow_outside_gaps_only(tmp_path) -> None:
    battery = make_battery(max_cycles_per_year=200.0)
    observation = option("observation", "minimal", ["observation.cap_left=true"])
    series = gapped(50.0, slice(TEST + 200, TEST + 700))
    world = make_option(tmp_path, series, battery=battery, observation=observation).open("discrete")
    most = [0.0]

    def hold(numbers: np.ndarray) -> np.ndarray:
        most.append(float(numbers[:, 2].max()))
        return np.ones(len(numbers), int)

    world.evaluate(hold, "test")
    assert max(most) == pytest.approx((4 * PER_DAY - 500 - 1) / PER_DAY / 365, rel=1e-3)
