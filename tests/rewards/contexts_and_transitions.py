"""Reward contexts, transitions and value tables for tests of rewards."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from battery_lab.envs.battery.physics import Battery
from battery_lab.envs.battery.reward_context import RewardContext
from battery_lab.envs.battery.transition_accounts import Transition
from battery_lab.market.market_series import MarketSeries
from tests.small_batteries_and_series import make_battery, make_series


@dataclass(frozen=True)
class TableValue:
    """A value table with one column per MWh of stored energy, from 0."""

    values: Any

    def at(self, row: np.ndarray, energy_mwh: np.ndarray) -> np.ndarray:
        return np.asarray(self.values, np.float64)[row, np.rint(energy_mwh).astype(int)]


def make_context(
    price: Any,
    battery: Battery | None = None,
    interval_h: float = 1.0,
    value: Any = None,
    throughput_price: float = 0.0,
    **changes: Any,
) -> RewardContext:
    """Return the context of training prices, optionally with a value table and a throughput price."""
    series = make_series(price, interval_h=interval_h, **changes)
    return RewardContext(
        series=series,
        battery=battery or make_battery(),
        num_envs=1,
        hindsight=lambda: value,
        throughput_price=lambda: throughput_price,
    )


def dispatch(context: RewardContext, row: Any, energy_mwh: Any, request_mw: Any) -> Transition:
    """Return the transitions of batteries, from the lab's physics."""
    series: MarketSeries = context.series
    row, energy = np.atleast_1d(np.asarray(row, np.int64)), np.atleast_1d(np.asarray(energy_mwh, np.float64))
    request = np.atleast_1d(np.asarray(request_mw, np.float64))
    power, after = context.battery.step(energy, request, series.interval_h)
    return Transition(
        row=row,
        price=series.price[row],
        request_mw=request,
        power_mw=power,
        energy_mwh=energy,
        energy_after_mwh=after,
        interval_h=series.interval_h,
        battery=context.battery,
    )


def random_dispatch(context: RewardContext, count: int, seed: int) -> Transition:
    """Return ``count`` random transitions, some of which request more than the limits allow."""
    rng, battery = np.random.default_rng(seed), context.battery
    row = rng.integers(0, len(context.series), count)
    energy = rng.uniform(battery.energy_min_mwh, battery.energy_max_mwh, count)
    return dispatch(context, row, energy, rng.uniform(-1.5, 1.5, count) * battery.power_mw)
