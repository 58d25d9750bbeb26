"""A market with all columns, and observers of the observation sets of conf/ on it."""

from __future__ import annotations

from functools import cache

from tests.compositions import option
from tests.small_batteries_and_series import make_battery, make_series, wavy_prices

DAYS = 14


@cache
def market(interval_h=1 / 12):
    """Return 14 days of a market with all columns that features may use."""
    price = wavy_prices(DAYS, 0, round(24 / interval_h))
    columns = {"price_forecast": price + 5, "demand_mw": 5000 + price, "temperature_c": price / 10}
    return make_series(price, interval_h, columns=columns, lead_h={"price_forecast": 24.0})


@cache
def observation_set(name):
    """Return an observation set of conf/."""
    return option("observation", name)


def observe(name, series, price_lag=0, train_end=None):
    """Return the observer of a series, scaled to its first half or to the rows before ``train_end``."""
    chosen = observation_set(name)
    scaling = chosen.fit(series.rows(0, train_end or len(series) // 2), price_lag)
    return chosen.build(series, price_lag, scaling, make_battery())
