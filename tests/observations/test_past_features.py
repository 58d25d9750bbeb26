"""Features of past values against numbers worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from battery_lab.common.errors import ConfigError
from battery_lab.observations.past_features import Lags, Means, Quantiles, SameHours, Window
from tests.observations.histories import hourly, unscaled
from tests.small_batteries_and_series import make_series


def test_lag_zero_is_the_price_of_the_dispatched_interval():
    lags = Lags(column="price", minutes=[0, 60], optional=False)
    assert lags.build(hourly([1, 2, 3, 4])).values.tolist() == [[1, 1], [2, 1], [3, 2], [4, 3]]


def test_with_price_lag_one_the_last_known_price_is_the_one_before():
    lags = Lags(column="price", minutes=[0, 60], optional=False)
    assert lags.build(hourly([1, 2, 3, 4], price_lag=1)).values.tolist() == [[1, 1], [1, 1], [2, 1], [3, 2]]


def test_lags_within_one_interval_give_one_column():
    lags = Lags(column="price", minutes=[0, 5, 10, 60, 70], optional=False)
    assert lags.build(hourly([1, 2, 3])).names == ("price 0 min ago", "price 60 min ago")


def test_lag_longer_than_the_series_repeats_the_first_value():
    lags = Lags(column="price", minutes=[0, 600], optional=False)
    assert lags.build(hourly([1, 2, 3])).values.tolist() == [[1, 1], [2, 1], [3, 1]]


def test_missing_column_is_left_out_if_optional_and_an_error_otherwise():
    assert Lags(column="demand_mw", minutes=[0], optional=True).build(hourly([1, 2])) is None
    with pytest.raises(ConfigError, match="no column 'demand_mw'"):
        Lags(column="demand_mw", minutes=[0], optional=False).build(hourly([1, 2]))


def test_window_ends_now_and_is_a_view_of_one_column():
    values = Window(column="price", hours=3).build(hourly([1, 2, 3, 4])).values
    assert values.tolist() == [[1, 1, 1], [1, 1, 2], [1, 2, 3], [2, 3, 4]]
    assert values.strides[0] == values.strides[1]


def test_means_cover_the_last_hours():
    means = Means(column="price", hours=[1, 2]).build(hourly([1, 2, 6]))
    assert means.values.tolist() == [[1, 1], [2, 1.5], [6, 4]]


def test_same_hours_are_the_coming_hours_of_yesterday():
    day = np.arange(48.0)
    yesterday = SameHours(column="price", hours_ahead=[1, 24], days=1, optional=False).build(hourly(day))
    # At 06:00 of the second day, the coming hour had price 7 yesterday, and the 24th hour ahead had 30.
    assert yesterday.values[30].tolist() == [7.0, 30.0]


def test_same_hours_are_means_of_their_intervals():
    history = unscaled(make_series(np.arange(144.0), interval_h=0.5))
    days = SameHours(column="price", hours_ahead=[1], days=2, optional=False).build(history)
    # At row 130 the coming hour is rows 131 and 132; a day has 48 rows.
    assert days.values[130].tolist() == [131.5 - 72]


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: Lags(column="price", minutes=[], optional=False), "Lags.minutes must be a list of 1 to 1000"),
        (lambda: Lags(column="price", minutes=[-5], optional=False), "Lags.minutes .* from 0 to 10080 minutes"),
        (lambda: Means(column="price", hours=[0]), "Means.hours .* greater than 0 and at most 8784 hours"),
        (lambda: Means(column="price", hours=[]), "Means.hours must be a list of 1 to 1000"),
        (lambda: Window(column="price", hours=-1), "Window.hours must be greater than 0"),
        (
            lambda: Quantiles(column="price", hours=24, quantiles=[1.5], optional=False),
            "Quantiles.quantiles .* each item from 0 to 1",
        ),
        (
            lambda: SameHours(column="price", hours_ahead=[25], days=1, optional=False),
            "SameHours.hours_ahead .* from 1 to 24 hours",
        ),
        (
            lambda: SameHours(column="price", hours_ahead=[1], days=0, optional=False),
            "SameHours.days must be .* from 1 to 28 days",
        ),
    ],
)
def test_invalid_parameter_names_the_field_and_the_rule(build, message):
    with pytest.raises(ConfigError, match=f"observation feature {message}"):
        build()
