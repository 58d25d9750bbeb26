"""Look-ahead check: a feature that depends on values which are not known yet is an error."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pytest

from battery_lab.common.errors import ConfigError
from battery_lab.market.forecasts.forecast_vintages import ForecastVintages, stored_runs
from battery_lab.observations.feature import Block
from tests.observations.observers import market, observation_set, observe


@dataclass(frozen=True, kw_only=True)
class Peek:
    """A feature that looks ahead, as a user's feature may by mistake."""

    steps: int
    column: str = "price"

    @property
    def look_back_h(self):
        return 0.0

    def build(self, history):
        return Block(values=np.roll(history.latest(self.column), -self.steps)[:, None], names=("peek",))


@pytest.mark.parametrize("price_lag", [0, 1])
def test_feature_that_looks_ahead_is_an_error(price_lag):
    chosen = observation_set("minimal")
    peeking = replace(chosen, features={**chosen.features, "peek": Peek(steps=1)})
    with pytest.raises(ConfigError, match=r"observation\.features\.peek looks ahead"):
        peeking.fit(market(), price_lag)
    assert chosen.fit(market(), price_lag).mean.shape == (2,)


@pytest.mark.parametrize(("column", "steps"), [("demand_mw", 1), ("price_forecast", 289)])
def test_column_is_not_known_before_it_is_measured_or_published(column, steps):
    chosen = observation_set("minimal")
    peeking = replace(chosen, features={"peek": Peek(steps=steps, column=column)})
    with pytest.raises(ConfigError, match="peek looks ahead"):
        peeking.fit(market(), 0)
    replace(chosen, features={"known": Peek(steps=steps - 1, column=column)}).fit(market(), 0)


def late_forecasts(series):
    """Return half-hourly runs of two hours in the last third of a series."""
    step = np.timedelta64(1800, "s")
    run = series.start[len(series) * 2 // 3 :: 6]
    start = run[:, None] + step * np.arange(4)
    values = np.random.default_rng(0).normal(50, 10, start.shape)
    rows = {"published": np.repeat(run, 4), "start": start.ravel(), "value": values.ravel()}
    return ForecastVintages.of(name="late", quantity="price", **rows)


@dataclass(frozen=True, kw_only=True)
class PeekAtRuns:
    """A feature that reads when, how long or what the coming run is."""

    of: str

    @property
    def look_back_h(self):
        return 0.0

    def build(self, history):
        series = history._series
        known = series.forecasts["late"]
        runs, coming = stored_runs(known), known.newest(series.start) + 1
        numbers = {
            "published": runs.published.astype(np.int64),
            "length": np.diff(runs.offset),
            "value": np.append(runs.values, 0)[runs.offset[:-1]],
        }[self.of]
        return Block(values=np.append(numbers, 0).astype(float)[coming][:, None], names=("peek",))


@pytest.mark.parametrize("of", ["published", "length", "value"])
def test_a_feature_of_later_runs_is_an_error_though_the_forecast_begins_late(of):
    series = replace(market(), forecasts={"late": late_forecasts(market())})
    peeking = replace(observation_set("minimal"), features={"peek": PeekAtRuns(of=of)})
    with pytest.raises(ConfigError, match=r"observation\.features\.peek looks ahead: .* prices or forecasts"):
        peeking.fit(series, 0)


def test_the_features_of_vintages_do_not_look_ahead():
    series = replace(market(), forecasts={"late": late_forecasts(market())})
    names = observe("forecast", series).layout.names
    assert any(name.startswith("late +") for name in names)
