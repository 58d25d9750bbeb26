"""Small batteries, market series and price curves for tests."""

from __future__ import annotations

from typing import Any

import numpy as np

from battery_lab.envs.battery.physics import Battery
from battery_lab.market.market_series import MarketSeries


def make_battery(**changes: Any) -> Battery:
    """Return the lab's default battery, without wear, with some fields changed."""
    fields: dict[str, Any] = {
        "power_mw": 10.0,
        "capacity_mwh": 40.0,
        "soc_min": 0.1,
        "soc_max": 0.9,
        "soc_start": 0.5,
        "round_trip_efficiency": 0.85,
        "charge_loss_share": 0.5,
        "wear_per_mwh": 0.0,
        "wear_per_mwh_charged": 0.0,
        "max_cycles_per_day": None,
        "max_cycles_per_year": None,
        "self_discharge_per_day": 0.0,
        "grid_fee_per_mwh": 0.0,
    }
    return Battery(**(fields | changes))


def make_series(price: Any, interval_h: float = 1 / 12, start: str = "2024-01-01", **changes: Any) -> MarketSeries:
    """Return a series with the given prices, one interval after the other."""
    price = np.asarray(price, np.float64)
    step = np.timedelta64(round(interval_h * 3600), "s")
    fields: dict[str, Any] = {
        "name": "TEST",
        "currency": "EUR",
        "time_zone": "Etc/GMT-10",
        "interval_h": interval_h,
        "start": np.datetime64(start, "s") + step * np.arange(len(price)),
        "price": price,
        "gap": np.zeros(len(price), np.bool_),
    }
    return MarketSeries(**(fields | changes))


def wavy_prices(days: int, seed: int = 0, intervals_per_day: int = 288) -> np.ndarray:
    """Return prices with a daily shape, noise, negatives at noon and rare spikes, per MWh."""
    rng = np.random.default_rng(seed)
    t = np.arange(days * intervals_per_day)
    hour = 24 * (t % intervals_per_day) / intervals_per_day
    shape = 60 - 70 * np.exp(-(((hour - 12.5) / 2.5) ** 2)) + 90 * np.exp(-(((hour - 18.5) / 1.5) ** 2))
    noise = rng.normal(0, 15, len(t))
    spikes = np.where(rng.random(len(t)) < 0.003, rng.uniform(300, 5000, len(t)), 0.0)
    return shape + noise + spikes
