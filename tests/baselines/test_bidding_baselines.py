"""Baselines that bid: no look-ahead, one bid and one offer per interval, and what they earn."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from battery_lab.envs.battery.dispatch_problem import DispatchProblem
from tests.baselines.small_problem import (
    CAUSAL,
    NAMES,
    PER_DAY,
    changed_from,
    make_baseline,
    make_problem,
    profit_of,
)
from tests.small_batteries_and_series import make_battery, wavy_prices

PRICES = (-20_000.0, 0.0, 45.0, 55.0, 70.0, 100.0, 20_000.0)
ROWS = (0, 25, 9 * PER_DAY + 37)


def requests_with(name, row, price, later=False):
    """Return the requests if a dispatched row has another price, and perhaps all later rows too."""
    problem = make_problem(bids=True)
    at = problem.first + row
    changed = changed_from(problem.series.price, at + 1) if later else problem.series.price.copy()
    changed[at] = price
    return make_baseline(name).requests(make_problem(changed, bids=True))


@pytest.mark.parametrize("name", CAUSAL)
def test_the_price_of_an_interval_only_clears_its_bid(name):
    plain = make_baseline(name).requests(make_problem(bids=True))
    seen = set()
    for row in ROWS:
        requests = np.array([requests_with(name, row, price) for price in PRICES])
        np.testing.assert_array_equal(requests[:, :row], np.tile(plain[:row], (len(PRICES), 1)))
        # Whatever rises with the price of the interval is what some bid and some offer clear to.
        assert (np.diff(requests[:, row]) >= 0).all()
        seen |= set(requests[:, row])
    assert seen == {-10.0, 0.0, 10.0}


@pytest.mark.parametrize("name", CAUSAL)
def test_later_prices_do_not_move_a_bid(name):
    for row in ROWS[1:]:
        for price in PRICES[1::2]:
            as_it_was, changed = (requests_with(name, row, price, later) for later in (False, True))
            np.testing.assert_array_equal(changed[: row + 1], as_it_was[: row + 1])


def test_bids_of_stochastic_dp_follow_from_the_hour_and_the_stored_energy_alone():
    problem = make_problem(bids=True)
    plain, row = make_baseline("stochastic_dp").requests(problem), 3 * PER_DAY + 26
    price = problem.series.price[problem.first + row]
    same = [p for p in np.linspace(price - 40, price + 40, 9) if requests_with("stochastic_dp", row, p)[row] == -10]
    assert plain[row] == -10 and len(same) > 3
    for p in same:
        np.testing.assert_array_equal(requests_with("stochastic_dp", row, p), plain)


@pytest.mark.parametrize("name", CAUSAL)
def test_a_request_is_full_power_or_nothing(name):
    requests = make_baseline(name).requests(make_problem(bids=True))
    assert set(requests) == {-10.0, 0.0, 10.0}


def test_perfect_foresight_does_not_bid():
    plain, bidding = (make_baseline("perfect_foresight").requests(make_problem(bids=bids)) for bids in (False, True))
    np.testing.assert_array_equal(bidding, plain)


@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize("name", ["receding_horizon", "stochastic_dp"])
def test_bids_earn_about_as_much_as_the_known_price_and_more_than_the_last_one(name, seed):
    price = wavy_prices(45, seed=seed, intervals_per_day=PER_DAY)
    known, last, bids = (
        profit_of(problem, name)
        for problem in (make_problem(price), make_problem(price, lag=1), make_problem(price, bids=True))
    )
    assert bids > last
    assert bids == pytest.approx(known, rel=0.02)


@pytest.mark.parametrize("name", CAUSAL)
def test_no_bids_earn_more_than_perfect_foresight(name):
    problem = make_problem(battery=make_battery(wear_per_mwh=5.0), bids=True)
    assert profit_of(problem, name) <= profit_of(problem, "perfect_foresight") * 1.001


def test_random_bids_lie_between_training_prices():
    training = make_problem().training.price
    low, high = training.min(), training.max()
    price = make_problem().series.price.copy()
    price[35 * PER_DAY :: 2], price[35 * PER_DAY + 1 :: 2] = low - 1, high + 1
    requests = make_baseline("random").requests(make_problem(price, bids=True))
    assert (requests[::2] == -10).all() and (requests[1::2] == 10).all()
    price[35 * PER_DAY :: 2], price[35 * PER_DAY + 1 :: 2] = low, high
    requests = make_baseline("random").requests(make_problem(price, bids=True))
    assert set(requests[::2]) <= {-10.0, 0.0} and set(requests[1::2]) <= {0.0, 10.0}


def test_random_bids_hold_half_of_the_time_at_the_median_price():
    price = make_problem().series.price.copy()
    price[35 * PER_DAY :] = np.median(make_problem().training.price)
    requests = make_baseline("random").requests(make_problem(price, bids=True))
    # Of two random prices, both are above the median in a quarter of the cases, and both below in another quarter.
    shares = [np.mean(requests == mw) for mw in (-10, 0, 10)]
    np.testing.assert_allclose(shares, [0.25, 0.5, 0.25], atol=0.07)


@pytest.mark.parametrize("changes", [{"self_discharge_per_day": 0.02}, {"power_mw": 60.0}, {"charge_loss_share": 1.0}])
@pytest.mark.parametrize("name", CAUSAL)
def test_any_battery_can_bid(name, changes):
    problem = make_problem(battery=make_battery(**changes), bids=True)
    power = problem.battery.power_mw
    assert set(make_baseline(name).requests(problem)) == {-power, 0.0, power}


@pytest.mark.parametrize("name", NAMES)
def test_bids_can_start_at_the_first_row_of_the_series(name):
    whole = replace(make_problem(bids=True), first=0, end=PER_DAY)
    requests = make_baseline(name).requests(whole)
    assert requests.shape == (PER_DAY,) and np.isfinite(requests).all()
    if name in ("receding_horizon", "rule"):
        assert requests[0] == 0, "no price is known yet"


def test_a_problem_with_bids_does_not_know_the_price_of_the_interval():
    problem = make_problem(bids=True)
    with pytest.raises(ValueError, match="price_lag must be at least 1 with bids"):
        DispatchProblem(**{**vars(problem), "price_lag": 0})
