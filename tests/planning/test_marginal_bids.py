"""Marginal bids: break-even prices of full moves, against the physics and the greedy move of a known price."""

from __future__ import annotations

import numpy as np
import pytest

from battery_lab.envs.battery.delivery import deliver_mwh
from battery_lab.planning.bellman_backup import greedy_action
from battery_lab.planning.bid_clearing import clear
from battery_lab.planning.energy_grid import fit_grid
from battery_lab.planning.marginal_bids import cleared_mwh, contingent_bids, marginal_bids
from tests.small_batteries_and_series import make_battery

HOURS = 0.5
FULL_MWH = 10.0 * HOURS
# A full charge stores 4 MWh and a full discharge takes 5 MWh, which are whole levels of the grid.
WHOLE_LEVELS = {"charge_loss_share": 1.0, "round_trip_efficiency": 0.8}
BATTERIES = [{}, {"wear_per_mwh": 7.0}, {"grid_fee_per_mwh": 4.0}, {"self_discharge_per_day": 0.3}]
NAMES = ["plain", "wear", "fee", "self-discharge"]
ENERGIES = (4.0, 4.3, 5.5, 20.0, 31.7, 35.2, 36.0)


def grid_of(**battery):
    return fit_grid(make_battery(**WHOLE_LEVELS | battery), HOURS, at_least=32, tolerance=1e-9)


def worth(grid, slopes):
    """Return the value at the levels of a grid, from its slopes per MWh."""
    return np.concatenate([[0.0], np.cumsum(slopes) * grid.step_mwh])


def concave(grid, seed, mean=60.0, spread=40.0):
    return worth(grid, np.sort(np.random.default_rng(seed).normal(mean, spread, grid.size - 1))[::-1])


def linear(grid, slope):
    return worth(grid, np.full(grid.size - 1, slope))


def outcome(after, energy, request_mwh, price, grid):
    """Return the profit of a request, as the physics delivers it, and the value of the energy that is left."""
    delivered, left = deliver_mwh(energy, request_mwh, grid.limits)
    profit = price * delivered - grid.wear_per_mwh * max(delivered, 0) - grid.grid_fee_per_mwh * max(-delivered, 0)
    return profit + np.interp(left, grid.lowest_mwh + grid.step_mwh * np.arange(grid.size), after)


@pytest.mark.parametrize("changes", BATTERIES, ids=NAMES)
def test_at_its_bid_and_at_its_offer_a_full_move_is_worth_as_much_as_holding(changes):
    grid, checked = grid_of(**changes), 0
    for seed in range(5):
        after = concave(grid, seed)
        for energy in ENERGIES:
            for request, price in zip((-FULL_MWH, FULL_MWH), marginal_bids(after, energy, grid), strict=True):
                if np.isfinite(price):
                    moved, held = (outcome(after, energy, mwh, price, grid) for mwh in (request, 0.0))
                    assert moved == pytest.approx(held, abs=1e-6)
                    checked += 1
    assert checked >= 5 * (2 * len(ENERGIES) - 2)


@pytest.mark.parametrize("changes", BATTERIES, ids=NAMES)
def test_what_clears_is_the_best_of_buying_selling_and_holding(changes):
    grid, rng = grid_of(**changes), np.random.default_rng(0)
    directions = set()
    for seed in range(300):
        after, energy, price = concave(grid, seed), rng.uniform(3.0, 36.0), rng.normal(60, 50)
        request = cleared_mwh(after, energy, price, grid)
        values = [outcome(after, energy, mwh, price, grid) for mwh in (-FULL_MWH, 0.0, FULL_MWH)]
        assert outcome(after, energy, request, price, grid) == pytest.approx(max(values), abs=1e-6)
        directions.add(request)
    assert directions == {-FULL_MWH, 0.0, FULL_MWH}


def test_bid_and_offer_of_a_constant_marginal_value_allow_for_losses_fee_and_wear():
    grid = grid_of(wear_per_mwh=7.0, grid_fee_per_mwh=4.0)
    assert marginal_bids(linear(grid, 50.0), 20.0, grid) == pytest.approx((50 * 0.8 - 4, 50 / 1.0 + 7))
    shared = fit_grid(make_battery(round_trip_efficiency=0.81), HOURS, at_least=100, tolerance=5e-3)
    assert marginal_bids(linear(shared, 50.0), 20.0, shared) == pytest.approx((50 * 0.9, 50 / 0.9))


@pytest.mark.parametrize("changes", BATTERIES, ids=NAMES)
def test_with_a_constant_marginal_value_the_greedy_move_is_what_clears(changes):
    grid = grid_of(**changes)
    after = linear(grid, 50.0)
    bid, offer = marginal_bids(after, 20.0, grid)
    assert 30 < bid < offer < 65
    for price in (-20.0, bid - 0.01, bid + 0.01, (bid + offer) / 2, offer - 0.01, offer + 0.01, 300.0):
        expected = -FULL_MWH if price < bid else FULL_MWH if price > offer else 0.0
        assert cleared_mwh(after, 20.0, price, grid) == expected
        assert greedy_action(after, 20.0, price, grid) == pytest.approx(expected)


@pytest.mark.parametrize("changes", BATTERIES, ids=NAMES)
def test_with_falling_marginal_values_the_greedy_move_goes_the_same_way_or_only_part_of_the_way(changes):
    grid = grid_of(**changes)
    for seed in range(20):
        after, energy = concave(grid, seed), 19.6
        bid, offer = marginal_bids(after, energy, grid)
        greedy = np.array([greedy_action(after, energy, price, grid) for price in (bid - 0.1, offer + 0.1)])
        assert greedy[0] < 0 < greedy[1]
        held = [greedy_action(after, energy, price, grid) for price in np.linspace(bid + 0.1, offer - 0.1, 9)]
        assert (np.abs(held) < FULL_MWH - 1e-6).all()
        at_full = [greedy_action(after, energy, price, grid) for price in (bid - 60, offer + 60)]
        assert at_full == pytest.approx([-FULL_MWH, FULL_MWH])


def test_a_full_store_does_not_bid_and_an_empty_one_does_not_offer():
    grid = grid_of()
    after = concave(grid, 0)
    full, empty = marginal_bids(after, 36.0, grid), marginal_bids(after, 4.0, grid)
    assert full[0] == -np.inf and np.isfinite(full[1])
    assert np.isfinite(empty[0]) and empty[1] == np.inf
    assert cleared_mwh(after, 36.0, -1_000.0, grid) == 0 == cleared_mwh(after, 4.0, 20_000.0, grid)
    # What is left of an almost full store after rounding is no room.
    assert marginal_bids(after, 36.0 - 1e-9, grid)[0] == -np.inf
    assert marginal_bids(after, 4.0 + 1e-9, grid)[1] == np.inf


def test_self_discharge_makes_room_in_a_full_store_and_leaves_nothing_to_sell_below_the_minimum():
    grid = grid_of(self_discharge_per_day=0.3)
    after = concave(grid, 0)
    assert np.isfinite(marginal_bids(after, 36.0, grid)).all()
    for energy in (4.0, 2.5, 0.0):
        bid, offer = marginal_bids(after, energy, grid)
        assert np.isfinite(bid) and offer == np.inf


def known(after, edges, energy, price, grid):
    """Return what clears if the value belongs to the known price's bin."""
    return cleared_mwh(after[np.searchsorted(edges, price)], energy, price, grid)


def cases(count):
    """Return values by bin of the price, with their edges, some of which are equal: no price is between them."""
    grid = grid_of(wear_per_mwh=3.0)
    for seed in range(count):
        rng = np.random.default_rng(seed)
        edges = np.sort(rng.normal(60, 40, 6))
        if seed % 3 == 0:
            edges[3] = edges[2]
        inside = np.concatenate([[edges[0] - 20], (edges[:-1] + edges[1:]) / 2, [edges[-1] + 20]])
        # Energy is worth more after a high price than after a low one, but by less than the price.
        slopes = rng.normal(60, 5) + rng.uniform(-0.2, 0.8) * (inside - 60) + rng.normal(0, 8, 7)
        if seed % 3 == 0:
            slopes[3] = rng.choice([-200.0, 500.0])
        yield grid, np.stack([concave(grid, seed, slope, 10.0) for slope in slopes]), edges, rng.choice(ENERGIES)


def test_contingent_bids_act_as_on_the_known_price():
    compared = 0
    for grid, after, edges, energy in cases(200):
        price = np.sort(np.concatenate([np.linspace(-150, 300, 301), edges, edges - 1e-9, edges + 1e-9]))
        request = np.array([known(after, edges, energy, p, grid) for p in price])
        if (np.diff(request) < 0).any():
            continue  # no bid and offer act like that: it stops buying and buys again at a higher price
        bid, offer = contingent_bids(after, edges, energy, grid)
        assert bid <= offer
        np.testing.assert_array_equal(clear(np.full_like(price, bid), np.full_like(price, offer), price, 5.0), request)
        compared += 1
    assert compared >= 50


def test_contingent_bids_stop_at_the_first_price_at_which_buying_and_selling_stop():
    grid = grid_of(round_trip_efficiency=1.0)
    edges = np.array([20.0, 40.0, 60.0])

    def bids(*slopes):
        return contingent_bids(np.stack([linear(grid, slope) for slope in slopes]), edges, 20.0, grid)

    assert bids(50, 50, 50, 50) == pytest.approx((50, 50))
    assert bids(30, 30, 45, 45) == pytest.approx((30, 45))  # it would buy again from 40 to 45
    assert bids(30, 10, 10, 10) == pytest.approx((20, 20))  # worth 30 below 20, and 10 from there
    assert bids(90, 90, 90, 90) == pytest.approx((90, 90))
    assert bids(-5, -5, -5, -5) == pytest.approx((-5, -5))


def test_a_full_store_bids_in_no_bin_and_an_empty_one_offers_in_none():
    grid, edges = grid_of(), np.array([20.0, 40.0])
    after = np.stack([concave(grid, seed) for seed in range(3)])
    assert contingent_bids(after, edges, 36.0, grid)[0] == -np.inf
    assert contingent_bids(after, edges, 4.0, grid)[1] == np.inf
