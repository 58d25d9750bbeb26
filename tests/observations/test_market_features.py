"""Features: their numbers by hand, and that none sees what is not known yet."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from battery_lab.common.errors import ConfigError
from battery_lab.observations import market_features
from battery_lab.observations.history import ColumnScale, History, fit_scales
from battery_lab.observations.rolling_statistics import trailing_mean, trailing_quantiles
from tests.factories import make_series, wavy_prices

PLAIN = ColumnScale(squash=0.0, mean=0.0, std=1.0)


def hourly(prices, price_lag=0, **columns):
    lead_h = {"price_forecast": 24.0} if "price_forecast" in columns else {}
    arrays = {name: np.asarray(values, float) for name, values in columns.items()}
    series = make_series(prices, interval_h=1.0, columns=arrays, lead_h=lead_h)
    return History(series, price_lag, {name: PLAIN for name in ("price", *columns)})


def test_a_lag_of_zero_is_the_price_of_the_interval_that_is_dispatched():
    lags = market_features.Lags(column="price", minutes=[0, 60], optional=False)
    assert lags.build(hourly([1, 2, 3, 4])).values.tolist() == [[1, 1], [2, 1], [3, 2], [4, 3]]


def test_with_price_lag_one_the_price_before_is_the_last_one_known():
    lags = market_features.Lags(column="price", minutes=[0, 60], optional=False)
    assert lags.build(hourly([1, 2, 3, 4], price_lag=1)).values.tolist() == [[1, 1], [1, 1], [2, 1], [3, 2]]


def test_lags_that_fall_into_one_interval_count_once():
    lags = market_features.Lags(column="price", minutes=[0, 5, 10, 60, 70], optional=False)
    assert lags.build(hourly([1, 2, 3])).names == ("price 0 min ago", "price 60 min ago")


def test_a_window_ends_now_and_shares_the_memory_of_one_column():
    values = market_features.Window(column="price", hours=3).build(hourly([1, 2, 3, 4])).values
    assert values.tolist() == [[1, 1, 1], [1, 1, 2], [1, 2, 3], [2, 3, 4]]
    assert values.strides[0] == values.strides[1]


def test_means_look_back_over_their_hours():
    means = market_features.Means(column="price", hours=[1, 2]).build(hourly([1, 2, 6]))
    assert means.values.tolist() == [[1, 1], [2, 1.5], [6, 4]]


def test_the_hours_now_ahead_are_yesterdays_hours():
    day = np.arange(48.0)
    yesterday = market_features.SameHours(column="price", hours_ahead=[1, 24], days=1).build(hourly(day))
    # At 06:00 of the second day the coming hour was 6 yesterday (price 6), and the 24th hour ahead ends now: 29 + 1.
    assert yesterday.values[30].tolist() == [7.0, 30.0]


def test_hours_are_means_of_their_intervals():
    half_hours = np.arange(144.0)
    columns = {"price_forecast": half_hours}
    series = make_series(half_hours, interval_h=0.5, columns=columns, lead_h={"price_forecast": 24.0})
    history = History(series, 0, {name: PLAIN for name in ("price", "price_forecast")})
    ahead = market_features.Ahead(column="price_forecast", hours_ahead=[1, 2]).build(history)
    assert ahead.values[10].tolist() == [10.5, 12.5]
    days = market_features.SameHours(column="price", hours_ahead=[1], days=2).build(history)
    # At row 130 the coming hour is rows 131 and 132; a day is 48 rows.
    assert days.values[130].tolist() == [131.5 - 72]


def test_a_lag_longer_than_the_series_repeats_the_first_value():
    lags = market_features.Lags(column="price", minutes=[0, 600], optional=False)
    assert lags.build(hourly([1, 2, 3])).values.tolist() == [[1, 1], [2, 1], [3, 1]]


def test_a_spike_leaves_no_trace_in_later_means():
    values = np.array([1e16, *[1.0] * 8])
    assert trailing_mean(values, 3)[-1] == 1.0


def test_a_published_forecast_is_read_ahead():
    ahead = market_features.Ahead(column="price_forecast", hours_ahead=[1, 3])
    values = ahead.build(hourly(np.zeros(6), price_forecast=[10, 11, 12, 13, 14, 15])).values
    assert values[0].tolist() == [10, 12]
    assert values[2].tolist() == [12, 14]


def test_a_forecast_beyond_its_lead_is_refused():
    with pytest.raises(ConfigError, match=r"known 24 h ahead, and a feature asks for 25 h"):
        market_features.Ahead(column="price_forecast", hours_ahead=[25]).build(hourly([1, 2], price_forecast=[1, 2]))


def test_a_market_without_forecast_is_told_what_to_choose():
    with pytest.raises(ConfigError, match=r"'price_forecast'.*only price.*observation=compact"):
        market_features.Ahead(column="price_forecast", hours_ahead=[1]).build(hourly([1, 2]))


def test_an_optional_column_that_is_missing_is_left_out_and_another_is_an_error():
    assert market_features.Lags(column="demand_mw", minutes=[0], optional=True).build(hourly([1, 2])) is None
    with pytest.raises(ConfigError, match="no column 'demand_mw'"):
        market_features.Lags(column="demand_mw", minutes=[0], optional=False).build(hourly([1, 2]))


def test_the_calendar_follows_the_local_clock():
    series = make_series(np.zeros(48), interval_h=1.0, start="2024-01-05T14:00", time_zone="Etc/GMT-10")
    calendar = market_features.Calendar(harmonics=1, week="fraction", year=False).build(History(series, 0, {}))
    # 14:00 UTC on Friday is midnight of Saturday ten hours east.
    np.testing.assert_allclose(calendar.values[0], [0, 1, 5 / 6], atol=1e-12)
    np.testing.assert_allclose(calendar.values[6], [1, 0, 5 / 6], atol=1e-12)


@pytest.mark.parametrize(
    ("build", "named"),
    [
        (lambda: market_features.Lags(column="price", minutes=[], optional=False), "Lags.minutes"),
        (lambda: market_features.Lags(column="price", minutes=[-5], optional=False), "Lags.minutes"),
        (lambda: market_features.Means(column="price", hours=[0]), "Means.hours"),
        (lambda: market_features.Window(column="price", hours=-1), "Window.hours"),
        (lambda: market_features.Quantiles(column="price", hours=24, quantiles=[1.5]), "Quantiles.quantiles"),
        (lambda: market_features.SameHours(column="price", hours_ahead=[25], days=1), "SameHours.hours_ahead"),
        (lambda: market_features.SameHours(column="price", hours_ahead=[1], days=0), "SameHours.days"),
        (lambda: market_features.Ahead(column="price", hours_ahead=[]), "Ahead.hours_ahead"),
        (lambda: market_features.Calendar(harmonics=0, week="none", year=False), "Calendar"),
        (lambda: market_features.Calendar(harmonics=1, week="monthly", year=False), "Calendar.week"),
    ],
)
def test_a_bad_parameter_is_named(build, named):
    with pytest.raises(ConfigError, match=named):
        build()


@given(st.lists(st.floats(-1000, 17500), min_size=1, max_size=60), st.integers(1, 20))
def test_trailing_statistics_agree_with_numpy(values, window):
    values = np.array(values)
    quantiles = np.array([0.0, 0.1, 0.5, 1.0])
    means, found = trailing_mean(values, window), trailing_quantiles(values, window, quantiles)
    for t in range(len(values)):
        seen = values[max(0, t + 1 - window) : t + 1]
        np.testing.assert_allclose(means[t], seen.mean(), rtol=1e-9, atol=1e-6)
        np.testing.assert_allclose(found[t], np.quantile(seen, quantiles), rtol=1e-9, atol=1e-9)


def test_spikes_are_squashed_and_keep_their_order():
    prices = wavy_prices(30)
    scale = fit_scales(make_series(prices))["price"]
    scaled = scale.apply(np.array([-1000.0, 0.0, 60.0, 300.0, 17500.0]))
    assert np.all(np.diff(scaled) > 0)
    assert scaled[-1] < 12
    assert scaled[-1] - scaled[-2] > 0.5


def test_training_prices_and_forecasts_are_squashed_other_columns_are_not_and_all_are_standardised():
    prices = wavy_prices(30)
    series = make_series(prices, columns={"price_forecast": prices + 5, "demand_mw": 5000 + prices})
    scales = fit_scales(series)
    assert scales["price"].squash == np.median(np.abs(prices))
    assert (scales["price_forecast"].squash > 0, scales["demand_mw"].squash) == (True, 0)
    for name, values in {"price": prices, **series.columns}.items():
        scaled = scales[name].apply(values)
        np.testing.assert_allclose([scaled.mean(), scaled.std()], [0, 1], atol=1e-9)


def test_a_column_that_was_never_scaled_is_an_error_not_a_guess():
    history = History(make_series([1.0, 2.0]), 0, {})
    with pytest.raises(ConfigError, match="no scale was fitted for column 'price'"):
        history.latest("price")
