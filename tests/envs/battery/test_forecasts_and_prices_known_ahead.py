"""Worlds with vintages and with prices that are known ahead: labels, audits, decision inputs and bid sheets."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from battery_lab.common.errors import DataError
from battery_lab.envs.battery.decision_input import DecisionInput, DecisionInputs
from battery_lab.market.forecasts.daily_publication import DailyPublication
from battery_lab.market.forecasts.forecast_vintages import ForecastVintages
from battery_lab.market.market_series import MarketSeries
from tests.baselines.small_problem import make_baseline
from tests.compositions import option
from tests.envs.small_world import make_bid_request, make_bidding_world, make_world
from tests.observations.test_vintage_features import with_vintages
from tests.small_batteries_and_series import make_battery, make_series, wavy_prices

DAYS, PER_DAY = 24, 48
RULE = {"price": DailyPublication.parse("12:45", "Etc/GMT-10")}
FEW_HOURS = {"observation": option("observation", "forecast", ["~observation.features.vintage_revision"])}


def half_hours(**changes: Any) -> MarketSeries:
    return make_series(wavy_prices(DAYS, intervals_per_day=PER_DAY), 0.5, **changes)


def with_predispatch() -> MarketSeries:
    series, steps = half_hours(), 40
    price = np.concatenate([series.price, series.price[:steps]])
    seen = np.lib.stride_tricks.sliding_window_view(price, steps)[: len(series)]
    noise = np.random.default_rng(0).normal(0, 15, seen.shape)
    step = np.timedelta64(1800, "s")
    known = ForecastVintages.of(
        name="predispatch",
        quantity="price",
        published=np.repeat(series.start - np.timedelta64(120, "s"), steps),
        start=(series.start[:, None] + step * np.arange(steps)).ravel(),
        value=(seen + noise).ravel(),
    )
    return replace(series, forecasts={"predispatch": known})


@pytest.mark.parametrize("price_lag", [0, 1])
def test_a_price_that_is_published_ahead_is_known_whatever_the_lag(tmp_path: Any, price_lag: int) -> None:
    world = make_world(tmp_path, series=half_hours(published=RULE), price_lag=price_lag)
    assert world.known == "price known day-ahead (12:45 the day before)"
    assert world.known_code == 0
    assert world.summary()["Price of the dispatched interval"] == "known day-ahead (12:45 the day before)"
    hours = make_world(tmp_path, series=half_hours(lead_h={"price": 12.0}), price_lag=price_lag)
    assert hours.known == "price known 12 h ahead"


def test_bids_say_that_the_price_that_clears_them_is_known(tmp_path: Any) -> None:
    world = make_bidding_world(tmp_path, series=half_hours(published=RULE))
    assert world.known == "bids, price known day-ahead (12:45 the day before)"
    assert world.known_code == 2


def test_results_name_the_forecasts_that_a_policy_observes(tmp_path: Any) -> None:
    series = with_predispatch()
    assert make_world(tmp_path, series=series).known == "price known"
    world = make_world(tmp_path, series=series, **FEW_HOURS)
    assert world.known == "price known, predispatch: newest run published, up to 0.0333 h old"
    assert world.summary()["Forecasts"] == (
        "predispatch, price in steps of 30 minutes, 1,152 runs by their publication"
    )


def test_receding_horizon_and_its_cache_tell_markets_with_forecasts_apart(tmp_path: Any) -> None:
    baselines = {name: make_baseline(name) for name in ("rule", "perfect_foresight", "receding_horizon")}
    profits = [
        make_world(tmp_path, series=series, baselines=baselines)
        .baselines("test", ["receding_horizon"])["receding_horizon"]
        .metrics["profit_per_day"]
        for series in (half_hours(), with_predispatch(), half_hours(published=RULE))
    ]
    assert len(set(profits)) == 3
    assert max(profits) == profits[2]


@pytest.mark.parametrize("series", [with_predispatch, lambda: half_hours(published=RULE)])
def test_a_policy_that_observes_what_is_published_passes_its_audit(tmp_path: Any, series: Any) -> None:
    world = make_world(tmp_path, series=series(), **FEW_HOURS)
    size = world.layout.size

    def policy(observation: np.ndarray) -> np.ndarray:
        return (np.abs(observation[:, size // 2 :]).sum(axis=1) * 1e3).astype(np.int64) % 3

    (check,) = world.audit(policy, "test", moments=6, seed=0)  # type: ignore[attr-defined]
    assert check.moved == 0
    assert check.decisions > 100


def test_a_function_that_uses_vintages_passes_its_audit(tmp_path: Any) -> None:
    def make() -> Any:
        def decide(known: DecisionInput) -> float:
            values = known.forecasts["predispatch"].values[:20]
            return 10.0 if values[0] >= np.quantile(values, 0.8) else -10.0 if values[0] <= np.median(values) else 0.0

        return decide

    world = make_world(tmp_path, series=with_predispatch())
    evaluations, checks = world.audit_function(make, "planner", "test", moments=4, seed=0)  # type: ignore[attr-defined]
    assert [check.moved for check in checks] == [0, 0, 0]
    assert evaluations["planner"].metrics["profit_per_day"] > 0


def test_a_function_is_given_the_newest_vintages_and_published_prices() -> None:
    series = with_vintages(half_hours(published=RULE))
    inputs = DecisionInputs.of(series, make_battery(), 1)
    first, later = (inputs(row, 20.0) for row in (0, 101))
    assert list(first.forecasts) == ["p5min"]  # the first run of the other product is published two minutes later
    for name, vintage in later.forecasts.items():
        known = series.forecasts[name].as_of(series.start[101])
        assert known is not None
        assert vintage.published == known.published <= later.start
        with pytest.raises(ValueError, match="read-only"):
            vintage.values[0] = 0.0
    assert later.price.start[-1] == later.start + np.timedelta64(11, "h")  # the end of the day


def test_a_bid_on_a_forecast_without_new_runs_is_refused(tmp_path: Any) -> None:
    series = with_predispatch()
    end = series.start[0] + np.timedelta64(18, "D")
    old = {name: known.between(series.start[0], end) for name, known in series.forecasts.items()}
    world = make_bidding_world(tmp_path, series=replace(series, forecasts=old), **FEW_HOURS)

    def actor(observation: np.ndarray) -> np.ndarray:
        return np.tile(np.float32([-0.5, 0.5]), (len(observation), 1))

    with pytest.raises(DataError, match=r"observes the forecast predispatch, of which the newest run is .* h old"):
        world.bid_sheet(actor, make_bid_request(at="2024-01-20T12:00"))  # type: ignore[attr-defined]


def test_one_latency_holds_for_observations_functions_and_baselines(tmp_path: Any) -> None:
    row, seen = 19 * PER_DAY, []
    for hours in (0.0, 5.0):
        world = make_world(tmp_path, series=with_predispatch(), forecast_latency_h=hours, **FEW_HOURS)
        known = DecisionInputs.of(world._series, make_battery(), 1)(row, 20.0).forecasts["predispatch"]
        numbers = world._observer(np.array([row]), np.array([20.0]))[0]
        seen.append((known.age_h, numbers, make_baseline("receding_horizon").requests(world.problem("test"))))
        assert ("seen 5 h late" in world.known) == (hours == 5.0)
    (now, observed, requests), (late, observed_late, requests_late) = seen
    assert late == now + 5
    assert (observed != observed_late).any()
    assert (requests != requests_late).any()


def test_the_next_bid_sees_forecasts_and_prices_that_are_published_before_it(tmp_path: Any) -> None:
    series = with_predispatch()
    world = make_bidding_world(tmp_path, series=series, **FEW_HOURS)
    seen = []

    def actor(observation: np.ndarray) -> np.ndarray:
        seen.append(observation)
        return np.tile(np.float32([-0.5, 0.5]), (len(observation), 1))

    world.bid_sheet(actor, make_bid_request(at="2024-01-20T12:00"))  # type: ignore[attr-defined]
    assert np.isfinite(seen[0]).all()
    row = int((np.datetime64("2024-01-20T02:00") - series.start[0]) / np.timedelta64(30, "m"))
    whole = world._observer(np.array([row]), np.array([20.0]))[0]
    names = world.layout.names
    vintages = [place for place, name in enumerate(names) if name.startswith("predispatch")]
    assert len(vintages) > 20
    np.testing.assert_allclose(seen[0][0][vintages], whole[vintages], rtol=1e-5, atol=1e-6)


def test_the_bid_sheet_says_that_the_price_is_known(tmp_path: Any) -> None:
    series = half_hours(published=RULE)
    world = make_bidding_world(tmp_path, series=series)
    actor = lambda observation: np.tile(np.float32([-0.5, 0.5]), (len(observation), 1))  # noqa: E731
    sheet = world.bid_sheet(actor, make_bid_request(at="2024-01-20T12:00"))  # type: ignore[attr-defined]
    row = int((np.datetime64("2024-01-20T02:00") - series.start[0]) / np.timedelta64(30, "m"))
    price = f"{series.price[row]:,.2f} EUR/MWh"
    assert sheet.known == f"The price of the interval is known day-ahead (12:45 the day before): {price}."
