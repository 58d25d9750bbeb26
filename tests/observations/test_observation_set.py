"""Every observation set of conf/: its size, its causality, and the errors of invalid features."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pytest

from battery_lab.common.errors import ConfigError
from battery_lab.observations.feature import Block
from battery_lab.observations.past_features import Window
from tests.compositions import option, options
from tests.observations.observers import DAYS, market, observation_set, observe
from tests.small_batteries_and_series import make_battery, make_series, wavy_prices


@pytest.mark.parametrize("name", options("observation"))
def test_every_set_gives_finite_numbers_with_unique_names(name):
    observer = observe(name, market())
    rows = np.arange(DAYS * 288)
    seen = observer(rows, np.full(len(rows), 20.0))
    assert seen.shape == (len(rows), observer.layout.size)
    assert seen.dtype == np.float32
    assert np.isfinite(seen).all()
    assert len(set(observer.layout.names)) == observer.layout.size


@pytest.mark.parametrize(("name", "size"), [("window", 292), ("minimal", 3), ("compact", 69), ("forecast", 102)])
def test_sets_have_their_documented_sizes(name, size):
    assert observe(name, market()).layout.size == size


@pytest.mark.parametrize("price_lag", [0, 1])
@pytest.mark.parametrize("name", options("observation"))
def test_observations_do_not_depend_on_the_future(name, price_lag):
    series, now = market(), 9 * 288
    changed = {key: np.where(np.arange(len(series)) > now, 9e3, values) for key, values in series.columns.items()}
    # The forecast is known one day ahead.
    published = np.arange(len(series)) > now + 288
    changed["price_forecast"] = np.where(published, 9e3, series.columns["price_forecast"])
    known = np.arange(len(series)) <= now - price_lag
    other = make_series(np.where(known, series.price, -500.0), columns=changed, lead_h=series.lead_h)
    for key in ("demand_mw", "temperature_c"):
        other.columns[key][now] = series.columns[key][now] if price_lag == 0 else 9e3
    rows, energy = np.arange(now + 1), np.full(now + 1, 20.0)
    before, after = (observe(name, s, price_lag, train_end=5 * 288)(rows, energy) for s in (series, other))
    np.testing.assert_array_equal(before, after)


@pytest.mark.parametrize("name", options("observation"))
def test_observations_include_the_price_of_the_dispatched_interval(name):
    series, now = market(), 9 * 288
    bumped = series.price.copy()
    bumped[now] += 400
    other = make_series(bumped, columns=series.columns, lead_h=series.lead_h)
    at = np.array([now]), np.array([20.0])
    before, after = (observe(name, s, train_end=5 * 288)(*at) for s in (series, other))
    assert not np.array_equal(before, after)


@pytest.mark.parametrize("interval_h", [0.25, 0.5, 1.0])
def test_compact_set_supports_longer_intervals(interval_h):
    observer = observe("compact", market(interval_h=interval_h))
    assert 40 < observer.layout.size <= 69


def test_forecast_set_on_a_market_without_forecast_suggests_another_set():
    series = make_series(wavy_prices(DAYS))
    with pytest.raises(ConfigError, match="observation=compact"):
        observation_set("forecast").fit(series, 0)


def test_market_with_fewer_columns_than_in_training_is_an_error():
    series, bare = (
        market(),
        make_series(wavy_prices(DAYS), columns={"price_forecast": wavy_prices(DAYS)}, lead_h={"price_forecast": 24.0}),
    )
    chosen = observation_set("forecast")
    scaling = chosen.fit(series.rows(0, 2000), 0)
    with pytest.raises(ConfigError, match="as many features as the scaling was fitted to"):
        chosen.build(bare, 0, scaling, make_battery())


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("soc=half", "observation.soc must be one of level, level_and_limits, got 'half'"),
        ("clip=0", "observation.clip must be from 1 to 1000 standard deviations, got 0"),
        ("features=x", "observation.features must be a mapping of at least 1, got 'x'"),
        ("features.lags=x", "observation.features.lags must be a feature with a _target_.*, got 'x'"),
    ],
)
def test_invalid_value_names_the_field_and_the_rule(override, message):
    with pytest.raises(ConfigError, match=message):
        option("observation", "compact", [f"observation.{override}"])


@dataclass(frozen=True, kw_only=True)
class WrongShape:
    """A feature whose values do not match its names or the number of intervals."""

    rows: int = 0
    columns: int = 0
    window: bool = False

    @property
    def look_back_h(self):
        return 0.0

    def build(self, history):
        shape = (len(history) + self.rows, 2 + self.columns)
        return Block(values=np.zeros(shape, np.float32), names=("one", "two"), window=self.window)


@pytest.mark.parametrize("window", [False, True])
@pytest.mark.parametrize(("rows", "columns"), [(0, 1), (0, -1), (-1, 0)])
def test_feature_with_values_of_the_wrong_shape_is_an_error(rows, columns, window):
    chosen = observation_set("minimal")
    scaling = replace(chosen, features={"odd": WrongShape(window=window)}).fit(market(), 0)
    odd = replace(chosen, features={"odd": WrongShape(rows=rows, columns=columns, window=window)})
    intervals = DAYS * 288
    rule = rf"observation\.features\.odd must return .* {intervals} and 2, got \({intervals + rows}, {2 + columns}\)"
    with pytest.raises(ConfigError, match=rule):
        odd.fit(market(), 0)
    with pytest.raises(ConfigError, match=rule):
        odd.build(market(), 0, scaling, make_battery())


def test_set_has_at_most_one_window_and_the_look_back_of_its_longest_feature():
    chosen = observation_set("minimal")
    short, long = (Window(column="price", hours=hours) for hours in (2, 30))
    assert replace(chosen, features={"a": short, "b": long, "c": short}).look_back_h == 30
    with pytest.raises(ConfigError, match="at most one Window, got 2"):
        replace(chosen, features={"a": short, "b": long}).fit(market(), 0)


def test_values_beyond_training_are_clipped_and_constant_columns_stay_finite():
    series = make_series(np.where(np.arange(DAYS * 288) < 7 * 288, 50.0, 1e12))
    chosen = observation_set("minimal")
    seen = chosen.build(series, 0, chosen.fit(series.rows(0, 7 * 288), 0), make_battery())
    values = seen(np.arange(len(series)), np.full(len(series), 20.0))
    assert np.isfinite(values).all()
    assert values.max() == chosen.clip


@pytest.mark.parametrize("name", options("observation"))
def test_the_observed_last_price_stands_for_the_price(name):
    chosen, series = observation_set(name), market()
    scaling = chosen.fit(series, 0)
    observer = chosen.build(series, 0, scaling, make_battery())
    rows = np.flatnonzero(series.price < 200)  # no spikes, which are clipped
    prices = chosen.prices(observer.market_number(rows, observer.price_number), observer, scaling)
    np.testing.assert_allclose(prices, series.price[rows], rtol=1e-3, atol=1e-3)


def test_an_observed_price_that_is_clipped_stands_for_any_price_beyond():
    chosen, series = observation_set("minimal"), market()
    scaling = chosen.fit(series, 0)
    observer = chosen.build(series, 0, scaling, make_battery())
    prices = chosen.prices(np.array([-7.0, -6.0, 5.9, 6.0]), observer, scaling)
    assert np.isfinite(prices).tolist() == [False, False, True, False]
    assert (prices[0], prices[-1]) == (-np.inf, np.inf)
