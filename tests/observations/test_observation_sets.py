"""Every observation set of conf/: built, sized, causal, and stored with its scales."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace

import numpy as np
import pytest

from battery_lab.common.errors import ConfigError
from battery_lab.observations.feature import Block
from battery_lab.observations.market_features import Window
from battery_lab.observations.observation_set import Scaling
from tests.compositions import option, options
from tests.factories import make_battery, make_series, wavy_prices

DAYS = 14


def market(seed=0, interval_h=1 / 12):
    price = wavy_prices(DAYS, seed, round(24 / interval_h))
    columns = {"price_forecast": price + 5, "demand_mw": 5000 + price, "temperature_c": price / 10}
    return make_series(price, interval_h, columns=columns, lead_h={"price_forecast": 24.0})


def observe(name, series, price_lag=0, train_end=None):
    chosen = option("observation", name)
    scaling = chosen.fit(series.rows(0, train_end or len(series) // 2), price_lag)
    return chosen.build(series, price_lag, scaling, make_battery())


@pytest.mark.parametrize("name", options("observation"))
def test_every_set_gives_finite_numbers_under_its_names(name):
    observer = observe(name, market())
    rows = np.arange(DAYS * 288)
    seen = observer(rows, np.full(len(rows), 20.0))
    assert seen.shape == (len(rows), observer.layout.size)
    assert seen.dtype == np.float32
    assert np.isfinite(seen).all()
    assert len(set(observer.layout.names)) == observer.layout.size


@pytest.mark.parametrize(("name", "size"), [("window", 292), ("minimal", 3), ("compact", 69), ("forecast", 102)])
def test_the_sets_have_their_sizes(name, size):
    assert observe(name, market()).layout.size == size


@pytest.mark.parametrize("price_lag", [0, 1])
@pytest.mark.parametrize("name", options("observation"))
def test_changing_the_future_moves_nothing(name, price_lag):
    series, now = market(), 9 * 288
    changed = {key: np.where(np.arange(len(series)) > now, 9e3, values) for key, values in series.columns.items()}
    # What is published a day ahead is known a day ahead.
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
def test_the_price_just_dispatched_is_seen(name):
    series, now = market(), 9 * 288
    bumped = series.price.copy()
    bumped[now] += 400
    other = make_series(bumped, columns=series.columns, lead_h=series.lead_h)
    at = np.array([now]), np.array([20.0])
    before, after = (observe(name, s, train_end=5 * 288)(*at) for s in (series, other))
    assert not np.array_equal(before, after)


def test_scales_come_from_training_time_only():
    series = market()
    other = make_series(
        np.where(np.arange(len(series)) < 7 * 288, series.price, 1e4), columns=series.columns, lead_h=series.lead_h
    )
    chosen = option("observation", "compact")
    first, second = (chosen.fit(s.rows(0, 7 * 288), 0) for s in (series, other))
    assert first.to_json() == second.to_json()


def test_scales_survive_json_to_the_bit():
    series = market()
    chosen = option("observation", "forecast")
    scaling = chosen.fit(series.rows(0, 2000), 0)
    again = Scaling.from_json(json.loads(json.dumps(scaling.to_json())))
    rows, energy = np.arange(3000), np.linspace(4, 36, 3000)
    before, after = (chosen.build(series, 0, s, make_battery())(rows, energy) for s in (scaling, again))
    np.testing.assert_array_equal(before, after)


def test_soc_runs_from_minus_one_to_one_and_marks_the_limits():
    observer = observe("compact", market())
    seen = observer(np.zeros(3, int), np.array([4.0, 20.0, 36.0]))
    np.testing.assert_allclose(seen[:, :2], [[-1, -1], [0, 0], [1, 1]], atol=1e-6)


@pytest.mark.parametrize("interval_h", [0.25, 0.5, 1.0])
def test_sets_work_on_longer_intervals(interval_h):
    observer = observe("compact", market(interval_h=interval_h))
    assert 40 < observer.layout.size <= 69


def test_forecast_on_a_market_without_one_says_what_to_choose():
    series = make_series(wavy_prices(DAYS))
    with pytest.raises(ConfigError, match="observation=compact"):
        option("observation", "forecast").fit(series, 0)


def test_a_policy_is_told_when_the_market_has_other_columns_than_it_was_trained_on():
    series, bare = (
        market(),
        make_series(wavy_prices(DAYS), columns={"price_forecast": wavy_prices(DAYS)}, lead_h={"price_forecast": 24.0}),
    )
    chosen = option("observation", "forecast")
    scaling = chosen.fit(series.rows(0, 2000), 0)
    with pytest.raises(ConfigError, match="as many features as the scaling was fitted for"):
        chosen.build(bare, 0, scaling, make_battery())


@pytest.mark.parametrize(
    ("override", "named"), [("soc=half", "observation.soc"), ("clip=0", "observation.clip"), ("features=x", "features")]
)
def test_a_bad_value_is_named(override, named):
    with pytest.raises(ConfigError, match=named):
        option("observation", "compact", [f"observation.{override}"])


@dataclass(frozen=True, kw_only=True)
class Peek:
    """A feature that looks ahead, as a user's might by mistake."""

    steps: int
    column: str = "price"

    @property
    def look_back_h(self):
        return 0.0

    def build(self, history):
        return Block(values=np.roll(history.latest(self.column), -self.steps)[:, None], names=("peek",))


@pytest.mark.parametrize("price_lag", [0, 1])
def test_a_feature_that_looks_ahead_is_refused(price_lag):
    chosen = option("observation", "minimal")
    peeking = replace(chosen, features={**chosen.features, "peek": Peek(steps=1)})
    with pytest.raises(ConfigError, match=r"observation\.features\.peek looks ahead"):
        peeking.fit(market(), price_lag)
    assert chosen.fit(market(), price_lag).mean.shape == (2,)


@pytest.mark.parametrize(("column", "steps"), [("demand_mw", 1), ("price_forecast", 289)])
def test_a_column_is_known_no_earlier_than_it_is_measured_or_published(column, steps):
    chosen = option("observation", "minimal")
    peeking = replace(chosen, features={"peek": Peek(steps=steps, column=column)})
    with pytest.raises(ConfigError, match="peek looks ahead"):
        peeking.fit(market(), 0)
    replace(chosen, features={"known": Peek(steps=steps - 1, column=column)}).fit(market(), 0)


@dataclass(frozen=True, kw_only=True)
class Misnamed:
    """A feature that gives other columns than it names, or other rows than there are intervals."""

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
def test_a_feature_whose_names_and_values_do_not_match_is_refused(rows, columns, window):
    chosen = option("observation", "minimal")
    scaling = replace(chosen, features={"odd": Misnamed(window=window)}).fit(market(), 0)
    odd = replace(chosen, features={"odd": Misnamed(rows=rows, columns=columns, window=window)})
    intervals = DAYS * 288
    rule = rf"observation\.features\.odd must give .* {intervals} and 2, got \({intervals + rows}, {2 + columns}\)"
    with pytest.raises(ConfigError, match=rule):
        odd.fit(market(), 0)
    with pytest.raises(ConfigError, match=rule):
        odd.build(market(), 0, scaling, make_battery())


def test_a_set_holds_one_window_and_looks_back_as_far_as_its_longest_feature():
    chosen = option("observation", "minimal")
    short, long = (Window(column="price", hours=hours) for hours in (2, 30))
    assert replace(chosen, features={"a": short, "b": long, "c": short}).look_back_h == 30
    with pytest.raises(ConfigError, match="at most one Window, got 2"):
        replace(chosen, features={"a": short, "b": long}).fit(market(), 0)


def test_what_was_never_seen_in_training_is_clipped_and_what_never_moved_stays_finite():
    series = make_series(np.where(np.arange(DAYS * 288) < 7 * 288, 50.0, 1e12))
    chosen = option("observation", "minimal")
    seen = chosen.build(series, 0, chosen.fit(series.rows(0, 7 * 288), 0), make_battery())
    values = seen(np.arange(len(series)), np.full(len(series), 20.0))
    assert np.isfinite(values).all()
    assert values.max() == chosen.clip


@pytest.mark.parametrize("row", [-1, DAYS * 288])
def test_an_interval_that_the_market_does_not_have_is_refused(row):
    observer = observe("window", market())
    with pytest.raises(IndexError, match=f"0 to {DAYS * 288 - 1}: it is {row}"):
        observer(np.array([0, row]), np.full(2, 20.0))


def test_as_many_rows_as_energies_are_asked_for():
    with pytest.raises(ValueError, match=r"as many batteries: \(3,\), \(1,\)"):
        observe("window", market())(np.arange(3), np.full(1, 20.0))
