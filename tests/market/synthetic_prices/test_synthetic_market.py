"""Synthetic market: within its bounds of the real market on five seeds, reproducible, and without look-ahead."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hydra.utils import instantiate
from omegaconf import OmegaConf

from battery_lab.baselines.percentile_rule import PercentileRule
from battery_lab.baselines.stochastic_dp import StochasticDP
from battery_lab.envs.battery.dispatch_problem import DispatchProblem
from battery_lab.envs.battery.dispatch_result import Dispatch
from battery_lab.market.market_series import MarketSeries
from battery_lab.market.synthetic_prices.noise import draw_noise
from battery_lab.market.synthetic_prices.synthetic_market import SyntheticMarket
from battery_lab.planning.perfect_foresight import plan
from tests.small_batteries_and_series import make_battery

CONF = Path(__file__).parents[3] / "conf"
SEEDS = (0, 1, 2, 3, 4)
DAY = 288


@cache
def defaults(group: str, name: str) -> Any:
    return OmegaConf.load(CONF / group / f"{name}.yaml")


def option(group: str, name: str, *changes: str) -> Any:
    config = OmegaConf.merge(defaults(group, name), OmegaConf.from_dotlist(list(changes)))
    return instantiate(config, _convert_="all")


def market(*changes: str) -> SyntheticMarket:
    return option("market", "synthetic", *changes)


@cache
def series_of(seed: int) -> MarketSeries:
    return market(f"seed={seed}").load()


@cache
def one_year() -> MarketSeries:
    return market("years=1").load()


@pytest.fixture(params=SEEDS, ids=lambda seed: f"seed{seed}")
def series(request: pytest.FixtureRequest) -> MarketSeries:
    return series_of(request.param)


def by_hour(values: np.ndarray) -> np.ndarray:
    return values.reshape(-1, 24, 12).mean(axis=(0, 2))


def test_price_distribution_is_within_the_bounds_of_the_real_market(series: MarketSeries) -> None:
    price = series.price
    assert 0.15 <= (price < 0).mean() <= 0.25
    assert 0.02 <= (price > 300).mean() <= 0.04
    assert 60 <= price.mean() <= 110
    assert 350 <= np.quantile(price, 0.99) <= 600


def test_captures_of_baselines_are_within_the_bounds_of_the_real_market(series: MarketSeries) -> None:
    first = len(series) - 365 * DAY
    rule, stochastic_dp = option("baseline", "rule"), option("baseline", "stochastic_dp")
    assert isinstance(rule, PercentileRule) and isinstance(stochastic_dp, StochasticDP)
    for wear in (0.0, 10.0):
        problem = DispatchProblem(
            series=series,
            battery=make_battery(wear_per_mwh=wear),
            first=first,
            end=len(series),
            train_end=first - 120 * DAY,
            price_lag=0,
        )
        best = plan(problem.dispatched.price, problem.battery, series.interval_h).profit / 365
        for baseline, low, high in ((rule, 0.20, 0.50), (stochastic_dp, 0.40, 0.75)):
            profit = Dispatch.replay(problem, baseline.requests(problem)).metrics()["profit_per_day"]
            assert low <= profit / best <= high


def test_series_has_four_years_of_five_minute_prices_without_gaps(series: MarketSeries) -> None:
    assert len(series) == (3 * 365 + 366) * DAY
    assert (np.diff(series.start) == np.timedelta64(300, "s")).all()
    assert str(series.local_start[0]) == "2022-01-01 00:00:00+10:00"
    assert str(series.local_start[-1]) == "2025-12-31 23:55:00+10:00"
    assert not series.gap.any()
    assert all(np.isfinite(values).all() for values in (series.price, *series.columns.values()))
    assert set(series.columns) == {"demand_mw", "temperature_c", "price_forecast"}
    assert series.lead_h == {"price_forecast": 24}


def test_day_has_two_peaks_and_negative_prices_between_them(series: MarketSeries) -> None:
    price, negative = by_hour(series.price), by_hour(series.price < 0)
    night, morning, noon, evening = price[2:5].min(), price[5:9].max(), price[11:14].min(), price[17:20].max()
    assert noon < night < morning < evening
    assert negative[12] > 0.4 and negative[18] < 0.08


def test_weekends_and_summers_are_cheaper_than_weekdays_and_winters(series: MarketSeries) -> None:
    weekend, month = series.weekday >= 5, series.local_start.month
    assert series.price[weekend].mean() < 0.7 * series.price[~weekend].mean()
    assert series.price[month.isin((12, 1, 2))].mean() < 0.7 * series.price[month.isin((6, 7, 8))].mean()
    assert series.columns["temperature_c"][month == 1].mean() > 8 + series.columns["temperature_c"][month == 7].mean()


def test_years_differ_by_regime(series: MarketSeries) -> None:
    year = series.local_start.year - 2022
    mean = [series.price[year == k].mean() for k in range(4)]
    negative = [(series.price[year == k] < 0).mean() for k in range(4)]
    assert mean[0] > 1.4 * max(mean[1:])
    assert min(negative[1:]) > 1.3 * negative[0]
    # The test year is within the range of the training years.
    assert min(mean[:3]) - 10 < mean[3] < mean[0]


def test_spikes_occur_in_clusters_and_reach_the_cap(series: MarketSeries) -> None:
    spike = series.price > 300
    assert (spike[1:] & spike[:-1]).sum() / spike.sum() > 0.7
    assert series.price.max() == 17_500
    assert 0.15 <= spike.reshape(-1, DAY).any(axis=1).mean() <= 0.35


def test_floor_is_reached_and_never_passed() -> None:
    lowest = [series_of(seed).price.min() for seed in SEEDS]
    assert min(lowest) == -1000
    assert max(lowest) < -300


def test_spike_increases_the_rate_of_the_next() -> None:
    spikes, noise = market().spikes, draw_noise(0, 365 * DAY)
    rate = np.full(365 * DAY, 0.05)
    alone, echoing = (replace(spikes, echo=echo).sizes(rate, noise) > 0 for echo in (0.0, 2.0))
    begins = [np.count_nonzero(np.diff(each.astype(int)) == 1) for each in (alone, echoing)]
    assert begins[0] == pytest.approx(0.05 * 365 * 24, rel=0.15)
    assert begins[1] > 1.4 * begins[0]


def test_cap_and_floor_follow_the_options() -> None:
    loaded = market("years=1", "price_cap=800", "price_floor=-60").load()
    assert (loaded.price.min(), loaded.price.max()) == (-60, 800)
    assert loaded.columns["price_forecast"].min() >= -60


def test_autocorrelation_falls_fast_and_returns_after_a_day(series: MarketSeries) -> None:
    squashed = np.arcsinh(series.price / 50)
    at = {lag: np.corrcoef(squashed[:-lag], squashed[lag:])[0, 1] for lag in (1, 12, 72, DAY)}
    assert 0.95 < at[1] < 0.99
    assert 0.85 < at[12] < 0.92
    assert at[72] < 0.5 < at[DAY] < 0.7


def test_forecast_has_the_skill_of_a_day_ahead_forecast(series: MarketSeries) -> None:
    hourly = [values.reshape(-1, 12).mean(axis=1) for values in (series.price, series.columns["price_forecast"])]
    ranks = [values.argsort().argsort() for values in hourly]
    assert 0.55 < np.corrcoef(*ranks)[0, 1] < 0.70
    assert hourly[1].max() < 2000  # spikes are expected, never known


def test_market_depends_on_the_seed_only() -> None:
    assert market("years=1").load().digest == one_year().digest
    assert market("years=1", "seed=1").load().digest != one_year().digest


def test_market_equals_the_fitted_one() -> None:
    # Another hash means another market: all figures measured on the old one, and docs/market.md, become invalid.
    for seed, fitted in ((0, "0c8368b4e78594ba"), (1, "0ab8fb29d5e19baf")):
        cents = np.rint(series_of(seed).price * 100).astype("<i8")
        assert hashlib.sha256(cents.tobytes()).hexdigest()[:16] == fitted


def test_more_years_do_not_change_the_first_ones() -> None:
    short, long = market("years=2").load(), series_of(0)
    assert short.digest == long.rows(0, len(short)).digest


def test_longer_intervals_are_means_of_five_minutes() -> None:
    half_hours, fine = market("years=1", "interval_minutes=30").load(), one_year()
    assert half_hours.interval_h == 0.5
    assert (half_hours.start == fine.start[::6]).all()
    np.testing.assert_allclose(half_hours.price, fine.price.reshape(-1, 6).mean(axis=1), atol=0.011)


def perturbed(names: str, first: int) -> MarketSeries:
    """Return one year of seed 0 whose noise is replaced from one step on."""
    source = market("years=1")
    noise, other = draw_noise(0, 365 * DAY), draw_noise(99, 365 * DAY)
    chosen = [name for name in noise if name.endswith("_news") == (names == "news")]
    return source.simulate(noise | {name: np.r_[noise[name][:first], other[name][first:]] for name in chosen})


def test_later_events_do_not_change_published_forecasts() -> None:
    usual, now = one_year(), 200 * DAY
    later = perturbed("surprises", now)
    published = now + DAY  # the first interval whose forecast is not published yet
    before, after = usual.columns["price_forecast"], later.columns["price_forecast"]
    assert (before[:published] == after[:published]).all()
    assert (before[published + 12 :] != after[published + 12 :]).mean() > 0.9
    assert (usual.price[:now] == later.price[:now]).all()
    assert (usual.price[now:] != later.price[now:]).mean() > 0.9


def test_weather_news_does_not_change_earlier_values() -> None:
    usual, later = one_year(), perturbed("news", 200 * DAY)
    for name in ("price_forecast", "demand_mw", "temperature_c"):
        assert (usual.columns[name][: 200 * DAY] == later.columns[name][: 200 * DAY]).all()
        assert (usual.columns[name][201 * DAY :] != later.columns[name][201 * DAY :]).mean() > 0.5


def test_forecast_of_an_hour_is_published_a_day_before_it_begins() -> None:
    source = market("years=1", "interval_minutes=60")
    noise, other, now = draw_noise(0, 365 * DAY), draw_noise(99, 365 * DAY), 200 * DAY + 6
    changed = noise | {name: np.r_[noise[name][:now], other[name][now:]] for name in ("outage", "forecast", "demand")}
    before, after = (source.simulate(each).columns["price_forecast"] for each in (noise, changed))
    moved = np.flatnonzero(before != after)[0]
    # The hour that starts at 201 * DAY was published at 200 * DAY, six steps before the change.
    assert moved > 201 * 24
