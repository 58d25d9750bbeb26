"""Future values: what is known at a moment, and series that differ or hold no number everywhere else."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from battery_lab.market.forecasts.daily_publication import DailyPublication
from battery_lab.market.forecasts.forecast_vintages import ForecastVintages, stored_runs
from battery_lab.market.forecasts.future_values import change_unknown, known_end, known_series
from tests.small_batteries_and_series import make_series, wavy_prices

NOW = 300


@pytest.fixture(scope="module")
def series():
    price = wavy_prices(3)
    columns = {"price_forecast": price + 5, "demand_mw": 5000 + price, "flat": np.zeros(len(price))}
    return make_series(price, columns=columns, lead_h={"price_forecast": 24.0})


@pytest.mark.parametrize("column", ["price", "demand_mw"])
def test_measured_values_are_known_up_to_the_interval_or_the_one_before_it(series, column):
    assert [known_end(series, column, NOW, lag) for lag in (0, 1)] == [NOW + 1, NOW]


@pytest.mark.parametrize(("lead_h", "ahead"), [(24.0, 288), (0.0, 0), (1 / 12, 1), (0.0834, 1), (0.08, 0), (0.13, 1)])
@pytest.mark.parametrize("lag", [0, 1])
def test_published_values_are_known_as_far_ahead_as_whole_intervals_fit_into_their_lead(lead_h, ahead, lag):
    series = make_series(wavy_prices(3), lead_h={"price_forecast": lead_h})
    assert known_end(series, "price_forecast", NOW, lag) == NOW + ahead + 1


@pytest.mark.parametrize("change", ["other", "higher", "lower"])
@pytest.mark.parametrize("lag", [0, 1])
def test_every_unknown_value_differs_and_no_known_one_does(series, change, lag):
    changed = change_unknown(series, NOW, lag, change, np.random.default_rng(0))
    for column in ("price", *series.columns):
        before, after = (s.price if column == "price" else s.columns[column] for s in (series, changed))
        end = known_end(series, column, NOW, lag)
        np.testing.assert_array_equal(after[:end], before[:end])
        assert (after[end:] != before[end:]).all()
        assert len(after) == len(before)
        if change == "higher":
            assert after[end:].min() > before.max()
        if change == "lower":
            assert after[end:].max() < before.min()


def test_nothing_changes_where_everything_is_known(series):
    changed = change_unknown(series, len(series) - 1, 0, "other", np.random.default_rng(0))
    np.testing.assert_array_equal(changed.price, series.price)


def forecast_series():
    """Return hourly prices with demand and a forecast, published two hours ahead."""
    columns = {"demand_mw": np.arange(10.0) + 100, "price_forecast": np.arange(10.0) + 50}
    return make_series(np.arange(10.0), 1.0, columns=columns, lead_h={"price_forecast": 2.0})


def test_only_published_values_are_known_beyond_the_interval():
    known = known_series(forecast_series(), 4, 1)
    np.testing.assert_array_equal(known.price, [0, 1, 2, 3, *[np.nan] * 3])
    np.testing.assert_array_equal(known.columns["demand_mw"], [100, 101, 102, 103, *[np.nan] * 3])
    np.testing.assert_array_equal(known.columns["price_forecast"], np.arange(50.0, 57.0))
    np.testing.assert_array_equal(known.start, forecast_series().start[:7])


def test_the_last_known_value_takes_the_place_of_one_that_the_policy_was_trained_to_observe():
    known = known_series(forecast_series(), 4, 0)
    np.testing.assert_array_equal(known.price, [0, 1, 2, 3, 3, np.nan, np.nan])
    np.testing.assert_array_equal(known.columns["demand_mw"], [100, 101, 102, 103, 103, np.nan, np.nan])


def test_what_the_files_do_not_hold_is_not_known():
    for price_lag in (0, 1):
        known = known_series(forecast_series(), 10, price_lag)
        np.testing.assert_array_equal(known.columns["price_forecast"][8:], [58, 59, np.nan, np.nan, np.nan])


def vintages_of(series):
    """Return forecasts of six values in steps of half an hour, published every half hour, two minutes late."""
    published = np.repeat(series.start[::6] + np.timedelta64(120, "s"), 6)
    start = np.repeat(series.start[::6], 6) + np.tile(np.arange(6), len(published) // 6) * np.timedelta64(1800, "s")
    values = np.random.default_rng(1).normal(50, 20, len(start))
    values[::7] = np.nan
    rows = {"published": published, "start": start, "value": values}
    return ForecastVintages.of(name="predispatch", quantity="price", **rows)


@pytest.mark.parametrize("change", ["other", "higher", "lower"])
def test_every_forecast_that_is_published_later_differs_and_no_earlier_one_does(series, change):
    known = vintages_of(series)
    with_forecasts = replace(series, forecasts={"predispatch": known})
    changed = change_unknown(with_forecasts, NOW, 0, change, np.random.default_rng(0)).forecasts["predispatch"]
    for row in range(len(series)):
        before, after = (vintages.as_of(series.start[row]) for vintages in (known, changed))
        if before is None:
            assert after is None
        elif before.published <= series.start[NOW]:
            np.testing.assert_array_equal(before.values, after.values)
        else:
            assert list(before.values) != list(after.values)
            others = dict(zip(after.start.tolist(), after.values.tolist(), strict=True))
            is_new = before.value_published > series.start[NOW]
            new = dict(zip(before.start[is_new].tolist(), before.values[is_new].tolist(), strict=True))
            assert all(others[start] != value for start, value in new.items() if start in others)


def test_later_runs_of_a_forecast_are_missing_late_or_short_too(series):
    with_forecasts = replace(series, forecasts={"predispatch": vintages_of(series)})
    changed = change_unknown(with_forecasts, NOW, 0, "other", np.random.default_rng(0))
    before, after = (stored_runs(s.forecasts["predispatch"]) for s in (with_forecasts, changed))
    known = int(np.searchsorted(before.published, series.start[NOW], side="right"))
    assert 0.6 < (len(after.published) - known) / (len(before.published) - known) < 0.95
    is_late = ~np.isin(after.published[known:], before.published)
    assert is_late.sum() > 0 or (np.diff(after.published[known:]) == np.timedelta64(0, "s")).any()
    assert len(set(np.diff(after.offset[known:]).tolist())) > 1
    for part in ("published", "first"):
        np.testing.assert_array_equal(getattr(after, part)[:known], getattr(before, part)[:known])


def test_a_piece_of_the_series_has_the_forecasts_that_its_rows_see(series):
    known = vintages_of(make_series(wavy_prices(10)))
    series = make_series(wavy_prices(10), forecasts={"predispatch": known})
    piece = series.rows(6 * 288, 6 * 288 + 50)
    seen = piece.forecasts["predispatch"]
    assert len(seen) < 250 < len(known)
    for start in piece.start:
        np.testing.assert_array_equal(seen.as_of(start).values, known.as_of(start).values)


def test_what_is_known_at_a_row_has_no_later_forecast(series):
    known = known_series(replace(series, forecasts={"predispatch": vintages_of(series)}), NOW, 1)
    assert known.forecasts["predispatch"].as_of(series.start[-1]).published <= series.start[NOW]


def test_a_price_that_is_published_the_day_before_stays_and_later_ones_change(series):
    rule = DailyPublication.parse("12:45", series.time_zone)
    day_ahead = replace(series, published={"price": rule})
    end = known_end(day_ahead, "price", NOW, 1)
    assert end > NOW + 1
    changed = change_unknown(day_ahead, NOW, 1, "higher", np.random.default_rng(0))
    np.testing.assert_array_equal(changed.price[:end], series.price[:end])
    assert (changed.price[end:] != series.price[end:]).all()
    known = known_series(day_ahead, NOW, 0)
    np.testing.assert_array_equal(known.price[:end], series.price[:end])
