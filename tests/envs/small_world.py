"""A small world for tests of the environment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from battery_lab.baselines.percentile_rule import PercentileRule
from battery_lab.baselines.perfect_foresight import PerfectForesight
from battery_lab.envs.battery.battery_world import BatteryWorld
from battery_lab.envs.battery.environment import BatteryMarket
from battery_lab.envs.bidding_interface import BidRequest
from battery_lab.market.market_series import MarketSeries
from tests.compositions import option
from tests.small_batteries_and_series import make_battery, make_series, wavy_prices


@dataclass(frozen=True, kw_only=True)
class FixedMarket:
    """A market with a given series."""

    series: MarketSeries

    def load(self) -> MarketSeries:
        """Return the series."""
        return self.series


def make_option(cache: Any, series: MarketSeries | None = None, **changes: Any) -> BatteryMarket:
    """Return ``env=battery`` on 24 days of synthetic prices, with some fields changed."""
    fields: dict[str, Any] = {
        "battery": make_battery(wear_per_mwh=5.0),
        "market": FixedMarket(series=series or make_series(wavy_prices(24))),
        "observation": option("observation", "minimal"),
        "reward": option("reward", "degradation"),
        "baselines": {
            "rule": PercentileRule(low_quantile=0.2, high_quantile=0.8, window_days=7),
            "perfect_foresight": PerfectForesight(),
        },
        "price_lag": 0,
        "episode_days": 2.0,
        "validation_days": 3,
        "test_days": 4,
        "skip_last_days": 0,
        "max_filled_h": 3.0,
        "forecast_latency_h": 0.0,
        "actions": "auto",
        "action_levels": 3,
        "bid_levels": 5,
        "cache": str(cache),
    }
    return BatteryMarket(**(fields | changes))


def make_world(
    cache: Any, actions: str = "discrete", series: MarketSeries | None = None, **changes: Any
) -> BatteryWorld:
    """Return the world of that option."""
    return make_option(cache, series, **changes).open(actions)


def make_bidding_world(
    cache: Any,
    kind: str = "continuous",
    series: MarketSeries | None = None,
    state: Mapping[str, Any] | None = None,
    **changes: Any,
) -> BatteryWorld:
    """Return the world of that option with bids as actions, and perhaps a state from ``observation_state``."""
    return make_option(cache, series, actions="bids", **changes).open(kind, state)


def make_bid_request(**changes: Any) -> BidRequest:
    """Return a request for the bid of the interval after the last price, with some fields changed."""
    fields: dict[str, Any] = {
        "at": None,
        "soc": 0.5,
        "floor_per_mwh": -1000.0,
        "cap_per_mwh": 20300.0,
        "cycles_today": None,
        "cycles_this_year": None,
        "year_start": None,
        "knots": 3,
        "price_number": None,
    }
    return BidRequest(**(fields | changes))
