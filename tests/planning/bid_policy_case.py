"""Bid policy case: a battery, a price path, and softened bids and offers, for tests of their gradient and value."""

from __future__ import annotations

import numpy as np

from battery_lab.planning.bid_clearing import clear
from battery_lab.planning.bid_policy_gradient import knot_weights, slice_gradient
from battery_lab.planning.move_table import move_table, transitions
from benchmarks.policy_grid_error import expected_profit
from tests.small_batteries_and_series import make_battery, wavy_prices

HOURS = 1 / 12
LEVELS, KNOTS, ROWS = 23, 5, 30
BATTERY = {"wear_per_mwh": 5.0, "grid_fee_per_mwh": 2.0, "self_discharge_per_day": 0.3, "power_mw": 37.0}


def scaled(price):
    return np.arcsinh(price / 100)


class Case:
    """A battery, a price path, and random bids and offers around the prices."""

    def __init__(self, seed=0, rows=ROWS, levels=LEVELS, knots=KNOTS, sharpness=6.0, hours=HOURS, **battery):
        rng = np.random.default_rng(seed)
        self.battery, self.hours, self.sharpness = make_battery(**battery), hours, sharpness
        self.price = wavy_prices(5, seed)[rng.integers(0, 900) :][:rows]
        self.moves = move_table(self.battery, hours, levels)
        self.knots = knot_weights(self.battery, self.moves.energy_mwh, knots)
        middle = rng.normal(scaled(60.0), 0.3, (rows, 1)) - np.linspace(-0.2, 0.2, knots)
        self.bid, self.offer = middle - 0.1, middle + rng.uniform(0, 0.4, (rows, knots))
        self.value_end = rng.normal(50, 5) * self.moves.energy_mwh
        occupancy = rng.random(len(self.moves.energy_mwh))
        self.start = occupancy / occupancy.sum()

    def one_day(self):
        """Start at the battery's own start, end without value, and bid around the quantiles of the prices."""
        rng, energy = np.random.default_rng(0), self.moves.energy_mwh
        low, high = scaled(np.quantile(self.price, [0.3, 0.7]))
        tilt = np.linspace(0.15, -0.15, self.bid.shape[1])
        self.bid, self.offer = (x + tilt + rng.normal(0, 0.05, self.bid.shape) for x in (low, high))
        self.value_end, self.start = np.zeros(len(energy)), np.zeros(len(energy))
        at = (self.battery.energy_start_mwh - energy[0]) / (energy[1] - energy[0])
        self.start[int(at)], self.start[int(at) + 1] = 1 - at % 1, at % 1
        return self

    def bids_at(self, row, energy):
        """Return bid and offer of an interval at some stored energies."""
        _, knot, weight = knot_weights(self.battery, energy, self.bid.shape[1])
        return [x[row, knot] * (1 - weight) + x[row, knot + 1] * weight for x in (self.bid, self.offer)]

    def cleared_profit(self):
        """Return the profit of the bids and offers as a market clears them, on the same scale."""
        battery, energy, profit = self.battery, np.array([self.battery.energy_start_mwh]), 0.0
        for t, price in enumerate(self.price):
            request = clear(*self.bids_at(t, energy), np.array([scaled(price)]), battery.power_mw)
            power, energy = battery.step(energy, request, self.hours)
            profit += account(price, power[0] * self.hours, battery)
        return profit

    def solve(self, bid=None, offer=None, **changes):
        chosen = {"reward": self.profits(), "sharpness": self.sharpness}
        chosen |= {"value_end": self.value_end, "occupancy_start": self.start}
        bids = (self.bid if bid is None else bid, self.offer if offer is None else offer)
        return slice_gradient(self.moves, self.knots, *bids, scaled(self.price), **chosen | changes)

    def profits(self):
        """Return the (T, 3, S) profit of each move."""
        rows = np.arange(len(self.price))
        made = transitions(self.moves, rows, self.price, self.battery, self.hours).profit
        return made.reshape(len(rows), 3, -1)

    def expected_profit(self, bins=4000):
        """Return the expected profit of the softened policy in the battery's own physics, without a grid."""
        bids = (self.bid, self.offer)
        options = {"sharpness": self.sharpness, "bins": bins}
        return expected_profit(self.battery, self.hours, self.price, scaled(self.price), *bids, **options)


def account(price, sold, battery):
    """Return the profit of energy sold, negative if bought, independently of the lab's accounts."""
    return price * sold - battery.wear_per_mwh * np.maximum(sold, 0) - battery.grid_fee_per_mwh * np.maximum(-sold, 0)
