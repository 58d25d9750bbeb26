"""Features of vintages: values by hand, what stands where nothing is forecast, and no look-ahead."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from battery_lab.common.errors import ConfigError
from battery_lab.market.forecasts.forecast_vintages import ForecastVintages
from battery_lab.market.forecasts.future_values import change_unknown
from battery_lab.market.market_series import MarketSeries
from battery_lab.observations.column_scale import ColumnScale, fit_scales
from battery_lab.observations.feature import Feature
from battery_lab.observations.market_history import History
from battery_lab.observations.vintage_features import VintageAge, VintageHours, VintageRevision, VintageSpread
from tests.observations.histories import unscaled
from tests.observations.observers import market, observation_set, observe
from tests.small_batteries_and_series import make_series

ROWS = 14 * 288
HOURS = [0.5, 1, 2, 4]
FEATURES: dict[str, Feature] = {
    "hours": VintageHours(quantity="price", product=None, hours_ahead=HOURS, optional=False),
    "of one": VintageHours(quantity="price", product="predispatch", hours_ahead=HOURS, optional=False),
    "spread": VintageSpread(quantity="price", hours_ahead=HOURS, optional=False),
    "revision": VintageRevision(quantity="price", product=None, hours_ahead=HOURS, optional=False),
    "age": VintageAge(quantity="price", product=None, longest_h=24.0, optional=False),
}


def vintages(
    name: str, values: np.ndarray, start: np.datetime64, minutes: int, late_s: int = 0, quantity: str = "price"
) -> ForecastVintages:
    """Return (R, K) values of runs, each an interval later, with steps of some minutes."""
    step = np.timedelta64(60 * minutes, "s")
    first = start + step * np.arange(len(values))
    return ForecastVintages.of(
        name=name,
        quantity=quantity,
        published=np.repeat(first, values.shape[1]) + np.timedelta64(late_s, "s"),
        start=(first[:, None] + step * np.arange(values.shape[1])).ravel(),
        value=values.ravel(),
        step_h=minutes / 60,
    )


def small() -> MarketSeries:
    """Return four hours of half hours, with hourly runs of four half hours and half-hourly ones of one half hour."""
    series = make_series(np.arange(8.0) + 500, 0.5)
    hourly = np.array([[10.0, 20.0], [11.0, 22.0], [13.0, 24.0]])
    fine = np.arange(8.0)[:, None] + 100
    forecasts = {
        "coarse": vintages("coarse", hourly, series.start[0], 60, late_s=60),
        "fine": vintages("fine", fine, series.start[0], 30),
    }
    return replace(series, forecasts=forecasts)


def test_hours_are_means_of_the_first_product_that_covers_them() -> None:
    feature = VintageHours(quantity="price", product=None, hours_ahead=[0.5, 1, 1.5], optional=False)
    block = feature.build(unscaled(small()))
    assert block is not None
    assert block.names == ("fine/coarse +0.5 h", "fine/coarse +1 h", "fine/coarse +1.5 h")
    # Row 1, at 00:30: fine run 1 for 00:30, coarse run 0 from 01:00 on.
    assert block.values[1].tolist() == [101, 20, 20]
    # Row 2, at 01:00: coarse run 1 is published at 01:01, so that run 0 still is the newest.
    assert block.values[2].tolist() == [102, 20, 20]


def test_where_nothing_is_forecast_the_last_stretch_and_the_last_known_value_stand() -> None:
    feature = VintageHours(quantity="price", product="coarse", hours_ahead=[0.5, 1, 4], optional=False)
    block = feature.build(unscaled(small(), price_lag=1))
    assert block is not None
    assert block.values[0].tolist() == [500, 500, 500]
    assert block.values[1].tolist() == [10, 20, 20]
    assert block.values[4].tolist() == [22, 22, 22]


def test_a_spread_is_the_finer_product_less_the_coarser_one() -> None:
    block = VintageSpread(quantity="price", hours_ahead=[0.5, 1], optional=False).build(unscaled(small()))
    assert block is not None
    assert block.names == ("fine/coarse spread +0.5 h", "fine/coarse spread +1 h")
    assert block.values[:3].tolist() == [[0, 0], [101 - 10, 0], [102 - 20, 0]]


def test_a_revision_is_the_newest_run_less_the_one_before() -> None:
    feature = VintageRevision(quantity="price", product="coarse", hours_ahead=[0.5, 1], optional=False)
    block = feature.build(unscaled(small()))
    assert block is not None
    assert block.names == ("coarse revision +0.5 h", "coarse revision +1 h")
    assert block.values[:4].tolist() == [[0, 0], [0, 0], [0, 0], [11 - 20, 0]]


def test_age_is_bounded() -> None:
    block = VintageAge(quantity="price", product="coarse", longest_h=1.2, optional=False).build(unscaled(small()))
    assert block is not None
    np.testing.assert_allclose(block.values[:, 0] * 60, [72, 29, 59, 29, 59, 29, 59, 72])


def with_vintages(series: MarketSeries) -> MarketSeries:
    """Return a series with five-minute and half-hourly forecasts of random error."""
    rng, price = np.random.default_rng(3), np.concatenate([series.price, series.price[:600]])
    fine = np.lib.stride_tricks.sliding_window_view(price, 12)[: len(series)]
    half_hours = price[: len(price) // 6 * 6].reshape(-1, 6).mean(axis=1)
    coarse = np.lib.stride_tricks.sliding_window_view(half_hours, 40)[: len(series) // 6]
    forecasts = {
        "p5min": vintages("p5min", fine + rng.normal(0, 5, fine.shape), series.start[0], 5),
        "predispatch": vintages("predispatch", coarse + rng.normal(0, 15, coarse.shape), series.start[0], 30, 120),
    }
    return replace(series, forecasts=forecasts)


@pytest.fixture(scope="module")
def series() -> MarketSeries:
    return with_vintages(make_series(market().price))


@pytest.mark.parametrize("name", FEATURES)
@pytest.mark.parametrize("change", ["other", "higher", "lower"])
def test_what_is_published_later_changes_no_feature(series: MarketSeries, name: str, change: str) -> None:
    scales = fit_scales(series)
    for now in (1000, 1001, 2005):
        changed = change_unknown(series, now, 1, change, np.random.default_rng(0))  # type: ignore[arg-type]
        before, after = (FEATURES[name].build(History(known, 1, scales)) for known in (series, changed))
        assert before is not None and after is not None
        np.testing.assert_array_equal(before.values[: now + 1], after.values[: now + 1])
        if name != "age":
            assert (before.values[now + 1 :] != after.values[now + 1 :]).any()


def test_the_forecast_set_shows_vintages_and_leaves_other_markets_as_they_are(series: MarketSeries) -> None:
    plain, with_forecasts = observe("forecast", market()), observe("forecast", series)
    assert not [name for name in plain.layout.names if "p5min" in name or "price +" in name]
    names = with_forecasts.layout.names
    assert "p5min/predispatch +0.25 h" in names and "predispatch age" in names and "p5min revision +0.5 h" in names
    assert not [name for name in names if name.startswith("price_forecast")]
    observed = with_forecasts(np.arange(len(series)), np.full(len(series), 20.0))
    assert np.isfinite(observed).all()


def test_the_compact_set_does_not_depend_on_forecasts(series: MarketSeries) -> None:
    rows, energy = np.arange(len(series)), np.full(len(series), 20.0)
    before, after = (observe("compact", known)(rows, energy) for known in (replace(series, forecasts={}), series))
    np.testing.assert_array_equal(before, after)


def test_a_piece_of_a_series_shows_the_same_numbers(series: MarketSeries) -> None:
    chosen, scales = FEATURES["revision"], fit_scales(series)
    piece = chosen.build(History(series.rows(500, 900), 0, scales))
    whole = chosen.build(History(series, 0, scales))
    assert piece is not None and whole is not None
    np.testing.assert_array_equal(piece.values, whole.values[500:900])


def test_a_quantity_that_is_no_column_has_a_scale_of_its_own(series: MarketSeries) -> None:
    wind = np.random.default_rng(0).normal(900, 50, (2000, 3))
    known = vintages("wind", wind, series.start[0], 5, quantity="wind_mw")
    scales = fit_scales(replace(series, forecasts={"wind": known}))
    assert scales["wind_mw"].mean == pytest.approx(900, rel=0.01)
    feature = VintageHours(quantity="wind_mw", product=None, hours_ahead=[0.25], optional=False)
    block = feature.build(History(replace(series, forecasts={"wind": known}), 0, scales))
    assert block is not None
    assert abs(block.values[:1900].mean()) < 0.1
    assert set(fit_scales(series)) == {"price"}


@pytest.mark.parametrize("name", FEATURES)
def test_a_market_without_such_forecasts_is_an_error_unless_the_feature_is_optional(name: str) -> None:
    history = unscaled(make_series(np.zeros(4)))
    with pytest.raises(ConfigError, match=r"observation: Vintage\w+ needs .* of price, and the market has none"):
        FEATURES[name].build(history)
    assert replace(FEATURES[name], optional=True).build(history) is None  # type: ignore[type-var]


def test_hours_that_do_not_rise_are_refused() -> None:
    with pytest.raises(ConfigError, match="VintageHours.hours_ahead must rise"):
        VintageHours(quantity="price", product=None, hours_ahead=[2, 1], optional=False)


def test_a_policy_of_a_market_with_forecasts_needs_them(series: MarketSeries) -> None:
    chosen = observation_set("forecast")
    scaling = chosen.fit(series.rows(0, ROWS // 2), 0)
    assert isinstance(scaling.columns["price"], ColumnScale)
    with pytest.raises(ConfigError, match="price_forecast|features"):
        chosen.tabulate(replace(series, forecasts={}), 0, scaling)
