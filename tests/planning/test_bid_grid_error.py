"""Softened bids earn on an energy grid what they earn in the battery's physics, up to 0.1 % of the profit."""

from __future__ import annotations

import numpy as np
import pytest

from tests.planning.bid_grid_error import BATTERIES, SHARPNESS, case
from tests.planning.bid_policy_case import account, scaled


@pytest.mark.parametrize("sharpness", SHARPNESS)
@pytest.mark.parametrize("number", BATTERIES)
def test_five_hundred_levels_give_the_profit_of_the_physics(number, sharpness):
    day = case(number, 500, sharpness)
    assert day.solve().value == pytest.approx(day.expected_profit(bins=1000), rel=1e-3)


@pytest.mark.parametrize("number", [2, 7])
def test_the_expected_profit_does_not_depend_on_its_bins(number):
    day = case(number, 40, SHARPNESS[-1])
    assert day.expected_profit(bins=1000) == pytest.approx(day.expected_profit(bins=2000), rel=1e-4)


@pytest.mark.parametrize("number", [0, 1, 5])
def test_the_expected_profit_is_the_mean_of_sampled_runs_of_the_battery(number):
    """The softened policy runs through the battery itself, at any stored energy, many times."""
    day = case(number, 200, 2.4)
    battery, runs, rng = day.battery, 8_000, np.random.default_rng(number)
    energy, profit = np.full(runs, battery.energy_start_mwh), np.zeros(runs)
    for t, price in enumerate(day.price):
        bid, offer = day.bids_at(t, energy)
        odds = np.exp(day.sharpness * np.stack([bid - scaled(price), np.zeros(runs), scaled(price) - offer]))
        # Evenly spaced draws in random order: the shares of the moves are exact, and the mean varies little.
        draws = rng.permutation((np.arange(runs) + rng.random()) / runs)
        move = (draws > (odds / odds.sum(0)).cumsum(0)).sum(0) - 1
        power, energy = battery.step(energy, move * battery.power_mw, day.hours)
        profit += account(price, power * day.hours, battery)
    assert profit.mean() == pytest.approx(day.expected_profit(), abs=3 * profit.std() / np.sqrt(runs))


@pytest.mark.parametrize("number", [0, 5, 9])
def test_the_error_falls_as_levels_are_added(number):
    expected = case(number, 40, SHARPNESS[-1]).expected_profit(bins=1000)
    coarse, fine = (abs(case(number, levels, SHARPNESS[-1]).solve().value - expected) for levels in (20, 2000))
    assert fine < max(coarse / 4, 1e-4 * abs(expected))
