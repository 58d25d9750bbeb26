"""Features of published forecasts: values by hand, and the lead time."""

from __future__ import annotations

import numpy as np
import pytest

from battery_lab.common.errors import ConfigError
from battery_lab.market.forecasts.daily_publication import DailyPublication
from battery_lab.observations.forecast_features import ForecastHours
from tests.observations.histories import hourly, unscaled
from tests.small_batteries_and_series import make_series


def test_published_values_are_read_ahead():
    ahead = ForecastHours(column="price_forecast", hours_ahead=[1, 3], optional=False)
    values = ahead.build(hourly(np.zeros(6), price_forecast=[10, 11, 12, 13, 14, 15])).values
    assert values[0].tolist() == [10, 12]
    assert values[2].tolist() == [12, 14]


def test_hours_are_means_of_their_intervals():
    forecast = np.arange(144.0)
    columns = {"price_forecast": forecast}
    series = make_series(forecast, interval_h=0.5, columns=columns, lead_h={"price_forecast": 24.0})
    ahead = ForecastHours(column="price_forecast", hours_ahead=[1, 2], optional=False).build(unscaled(series))
    assert ahead.values[10].tolist() == [10.5, 12.5]


def test_hours_beyond_the_lead_time_are_an_error():
    with pytest.raises(ConfigError, match=r"known 24 h ahead, and a feature needs 25 h"):
        ForecastHours(column="price_forecast", hours_ahead=[25], optional=False).build(
            hourly([1, 2], price_forecast=[1, 2])
        )


def test_market_without_a_forecast_is_an_error_with_a_remedy():
    with pytest.raises(ConfigError, match=r"'price_forecast'.*only price.*observation=compact"):
        ForecastHours(column="price_forecast", hours_ahead=[1], optional=False).build(hourly([1, 2]))


def test_empty_hours_ahead_is_an_error():
    with pytest.raises(ConfigError, match="ForecastHours.hours_ahead must be a list of 1 to 1000"):
        ForecastHours(column="price", hours_ahead=[], optional=False)


RULE = {"price": DailyPublication.parse("12:30", "Etc/GMT-10")}


def test_of_a_price_that_is_published_daily_an_hour_that_is_not_known_has_the_value_of_the_day_before():
    price = np.arange(96.0)  # from 10:00 local time
    feature = ForecastHours(column="price", hours_ahead=[1, 14, 15, 24], optional=True)
    values = feature.build(unscaled(make_series(price, 1.0, published=RULE))).values
    assert values[0].tolist() == [0, 13, max(14 - 24, 0), 0]  # until midnight, and nothing is known of days before
    assert values[24].tolist() == [24, 37, 14, 23]
    assert values[27].tolist() == [27, 40, 41, 50]  # 13:00: all of tomorrow is known


def test_an_optional_forecast_is_left_out_only_where_another_is_published():
    price, column = (ForecastHours(column=name, hours_ahead=[1], optional=True) for name in ("price", "price_forecast"))
    assert price.build(hourly([1, 2])) is None
    with pytest.raises(ConfigError, match="needs the forecast column 'price_forecast'"):
        column.build(hourly([1, 2]))
    day_ahead = unscaled(make_series(np.arange(48.0), 1.0, published=RULE))
    assert column.build(day_ahead) is None
    assert price.build(day_ahead) is not None


def test_a_price_that_is_known_a_number_of_hours_ahead_is_read_ahead():
    history = unscaled(make_series(np.arange(48.0), 1.0, lead_h={"price": 12.0}), price_lag=1)
    values = ForecastHours(column="price", hours_ahead=[1, 12], optional=False).build(history).values
    assert values[5].tolist() == [5, 16]


def test_a_measured_column_is_not_known_earlier_because_the_price_is():
    series = make_series(np.arange(48.0), 1.0, columns={"wind_mw": np.arange(48.0)}, published=RULE)
    assert unscaled(series, price_lag=0).latest("wind_mw")[:3].tolist() == [0, 0, 1]
    assert unscaled(series, price_lag=0).latest("price")[:3].tolist() == [0, 1, 2]
