"""Features of published forecasts: values by hand, and the lead time."""

from __future__ import annotations

import numpy as np
import pytest

from battery_lab.common.errors import ConfigError
from battery_lab.observations.forecast_features import ForecastHours
from tests.observations.histories import hourly, unscaled
from tests.small_batteries_and_series import make_series


def test_published_values_are_read_ahead():
    ahead = ForecastHours(column="price_forecast", hours_ahead=[1, 3])
    values = ahead.build(hourly(np.zeros(6), price_forecast=[10, 11, 12, 13, 14, 15])).values
    assert values[0].tolist() == [10, 12]
    assert values[2].tolist() == [12, 14]


def test_hours_are_means_of_their_intervals():
    forecast = np.arange(144.0)
    columns = {"price_forecast": forecast}
    series = make_series(forecast, interval_h=0.5, columns=columns, lead_h={"price_forecast": 24.0})
    ahead = ForecastHours(column="price_forecast", hours_ahead=[1, 2]).build(unscaled(series))
    assert ahead.values[10].tolist() == [10.5, 12.5]


def test_hours_beyond_the_lead_time_are_an_error():
    with pytest.raises(ConfigError, match=r"known 24 h ahead, and a feature needs 25 h"):
        ForecastHours(column="price_forecast", hours_ahead=[25]).build(hourly([1, 2], price_forecast=[1, 2]))


def test_market_without_a_forecast_is_an_error_with_a_remedy():
    with pytest.raises(ConfigError, match=r"'price_forecast'.*only price.*observation=compact"):
        ForecastHours(column="price_forecast", hours_ahead=[1]).build(hourly([1, 2]))


def test_empty_hours_ahead_is_an_error():
    with pytest.raises(ConfigError, match="ForecastHours.hours_ahead must be a list of 1 to 1000"):
        ForecastHours(column="price", hours_ahead=[])
