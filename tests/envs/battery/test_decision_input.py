"""Decision input: a function is given what is known, and nothing else."""

from __future__ import annotations

import numpy as np
import pytest

from battery_lab.envs.battery.decision_input import DecisionInputs
from tests.small_batteries_and_series import make_battery, make_series

ROW = 30


def known(price_lag=0):
    """Return the input of row 30 of two days of hourly prices 0, 1, 2 ..., from a Monday at 10:00 local time."""
    price = np.arange(48.0)
    columns = {"demand_mw": 100 + price, "price_forecast": 200 + price}
    series = make_series(price, 1.0, columns=columns, lead_h={"price_forecast": 5.0})
    return DecisionInputs.of(series, make_battery(), price_lag)(ROW, 20.0)


@pytest.mark.parametrize("price_lag", [0, 1])
def test_prices_and_measurements_end_at_the_last_known_interval(price_lag):
    given, last = known(price_lag), ROW - price_lag
    assert given.price.values.tolist() == list(range(last + 1))
    assert given.columns["demand_mw"].values[-1] == 100 + last
    assert given.price.start[-1] == np.datetime64("2024-01-01") + np.timedelta64(last, "h")
    assert len(given.price.start) == len(given.price.values)


@pytest.mark.parametrize("price_lag", [0, 1])
def test_forecasts_end_at_the_last_published_interval(price_lag):
    forecast = known(price_lag).columns["price_forecast"]
    assert forecast.values[-1] == 200 + ROW + 5
    assert forecast.start[-1] == np.datetime64("2024-01-02T11:00")
    assert len(forecast.start) == len(forecast.values)


def test_the_interval_and_the_battery_are_described():
    given = known()
    assert given.start == np.datetime64("2024-01-02T06:00")
    assert (given.hour, given.weekday, given.time_zone, given.interval_h) == (16.0, 1, "Etc/GMT-10", 1.0)
    assert (given.energy_mwh, given.soc) == (20.0, 0.5)
    assert given.battery == make_battery()


def test_what_is_given_cannot_be_changed():
    given = known()
    for column in (given.price, *given.columns.values()):
        with pytest.raises(ValueError, match="read-only"):
            column.values[0] = 1.0
