"""The made market: within its bounds of the real one on five seeds, the same everywhere, and blind to the future."""

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

from battery_lab.baselines.percentile_rule import Rule
from battery_lab.baselines.stochastic_dp import StochasticDP
from battery_lab.common.errors import ConfigError
from battery_lab.envs.battery.dispatch import Dispatch
from battery_lab.envs.battery.problem import DispatchProblem
from battery_lab.market.series import MarketSeries
from battery_lab.market.synthetic import SyntheticMarket, draw_noise
from battery_lab.planning.perfect_foresight import plan
from tests.factories import make_battery

CONF = Path(__file__).parents[2] / "conf"
SEEDS = (0, 1, 2, 3, 4)
DAY = 288


def option(group: str, name: str, *changes: str) -> Any:
    chosen = OmegaConf.merge(OmegaConf.load(CONF / group / f"{name}.yaml"), OmegaConf.from_dotlist(list(changes)))
    return instantiate(chosen, _convert_="all")


def market(*changes: str) -> SyntheticMarket:
    return option("market", "synthetic", *changes)


@cache
def series_of(seed: int) -> MarketSeries:
    return market(f"seed={seed}").load()


@pytest.fixture(params=SEEDS, ids=lambda seed: f"seed{seed}")
def series(request: pytest.FixtureRequest) -> MarketSeries:
    return series_of(request.param)


def by_hour(values: np.ndarray) -> np.ndarray:
    return values.reshape(-1, 24, 12).mean(axis=(0, 2))


def test_prices_are_distributed_as_the_real_market_has_them(series: MarketSeries) -> None:
    price = series.price
    assert 0.15 <= (price < 0).mean() <= 0.25
    assert 0.02 <= (price > 300).mean() <= 0.04
    assert 60 <= price.mean() <= 110
    assert 350 <= np.quantile(price, 0.99) <= 600


def test_policies_earn_the_shares_of_perfect_foresight_that_the_real_market_gives_them(series: MarketSeries) -> None:
    first = len(series) - 365 * DAY
    rule, stochastic_dp = option("baseline", "rule"), option("baseline", "stochastic_dp")
    assert isinstance(rule, Rule) and isinstance(stochastic_dp, StochasticDP)
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


def test_it_is_four_years_of_five_minute_prices_without_a_gap(series: MarketSeries) -> None:
    assert len(series) == (3 * 365 + 366) * DAY
    assert (np.diff(series.start) == np.timedelta64(300, "s")).all()
    assert str(series.local_start[0]) == "2022-01-01 00:00:00+10:00"
    assert str(series.local_start[-1]) == "2025-12-31 23:55:00+10:00"
    assert not series.gap.any()
    assert all(np.isfinite(values).all() for values in (series.price, *series.columns.values()))
    assert set(series.columns) == {"demand_mw", "temperature_c", "price_forecast"}
    assert series.lead_h == {"price_forecast": 24}


def test_the_day_has_two_peaks_and_a_trough_below_zero_between_them(series: MarketSeries) -> None:
    price, negative = by_hour(series.price), by_hour(series.price < 0)
    night, morning, noon, evening = price[2:5].min(), price[5:9].max(), price[11:14].min(), price[17:20].max()
    assert noon < night < morning < evening
    assert negative[12] > 0.4 and negative[18] < 0.08


def test_weekends_and_summers_are_cheaper_than_weekdays_and_winters(series: MarketSeries) -> None:
    weekend, month = series.weekday >= 5, series.local_start.month
    assert series.price[weekend].mean() < 0.7 * series.price[~weekend].mean()
    assert series.price[month.isin((12, 1, 2))].mean() < 0.7 * series.price[month.isin((6, 7, 8))].mean()
    assert series.columns["temperature_c"][month == 1].mean() > 8 + series.columns["temperature_c"][month == 7].mean()


def test_years_differ_from_scarce_to_calm_to_solar_heavy(series: MarketSeries) -> None:
    year = series.local_start.year - 2022
    mean = [series.price[year == k].mean() for k in range(4)]
    negative = [(series.price[year == k] < 0).mean() for k in range(4)]
    assert mean[0] > 1.4 * max(mean[1:])
    assert min(negative[1:]) > 1.3 * negative[0]
    # The year that is judged lies within what training time has seen.
    assert min(mean[:3]) - 10 < mean[3] < mean[0]


def test_spikes_come_in_clusters_and_reach_the_cap(series: MarketSeries) -> None:
    spike = series.price > 300
    assert (spike[1:] & spike[:-1]).sum() / spike.sum() > 0.7
    assert series.price.max() == 17_500
    assert 0.15 <= spike.reshape(-1, DAY).any(axis=1).mean() <= 0.35


def test_the_floor_is_reached_and_never_passed() -> None:
    lowest = [series_of(seed).price.min() for seed in SEEDS]
    assert min(lowest) == -1000
    assert max(lowest) < -300


def test_a_spike_makes_the_next_one_likelier() -> None:
    spikes, noise = market().spikes, draw_noise(0, 365 * DAY)
    rate = np.full(365 * DAY, 0.05)
    alone, echoing = (replace(spikes, echo=echo).sizes(rate, noise) > 0 for echo in (0.0, 2.0))
    begins = [np.count_nonzero(np.diff(each.astype(int)) == 1) for each in (alone, echoing)]
    assert begins[0] == pytest.approx(0.05 * 365 * 24, rel=0.15)
    assert begins[1] > 1.4 * begins[0]


def test_cap_and_floor_are_those_of_the_options() -> None:
    loaded = market("years=1", "price_cap=800", "price_floor=-60").load()
    assert (loaded.price.min(), loaded.price.max()) == (-60, 800)
    assert loaded.columns["price_forecast"].min() >= -60


def test_prices_revert_fast_and_remember_the_day_before(series: MarketSeries) -> None:
    squashed = np.arcsinh(series.price / 50)
    at = {lag: np.corrcoef(squashed[:-lag], squashed[lag:])[0, 1] for lag in (1, 12, 72, DAY)}
    assert 0.95 < at[1] < 0.99
    assert 0.85 < at[12] < 0.92
    assert at[72] < 0.5 < at[DAY] < 0.7


def test_the_forecast_is_worth_what_a_day_ahead_forecast_is(series: MarketSeries) -> None:
    hourly = [values.reshape(-1, 12).mean(axis=1) for values in (series.price, series.columns["price_forecast"])]
    ranks = [values.argsort().argsort() for values in hourly]
    assert 0.55 < np.corrcoef(*ranks)[0, 1] < 0.70
    assert hourly[1].max() < 2000  # spikes are only expected, never known


def test_the_same_seed_makes_the_same_market_and_another_seed_another() -> None:
    assert market("years=1").load().digest == market("years=1").load().digest
    assert market("years=1").load().digest != market("years=1", "seed=1").load().digest


def test_the_frozen_market_is_the_one_that_was_fitted() -> None:
    # A change here is another market: every figure that was measured on the old one is void, and so is docs/market.md.
    for seed, fitted in ((0, "0c8368b4e78594ba"), (1, "0ab8fb29d5e19baf")):
        cents = np.rint(series_of(seed).price * 100).astype("<i8")
        assert hashlib.sha256(cents.tobytes()).hexdigest()[:16] == fitted


def test_more_years_leave_the_first_ones_as_they_were() -> None:
    short, long = market("years=2").load(), series_of(0)
    assert short.digest == long.rows(0, len(short)).digest


def test_longer_intervals_hold_the_means_of_five_minutes() -> None:
    half_hours, fine = market("years=1", "interval_minutes=30").load(), market("years=1").load()
    assert half_hours.interval_h == 0.5
    assert (half_hours.start == fine.start[::6]).all()
    np.testing.assert_allclose(half_hours.price, fine.price.reshape(-1, 6).mean(axis=1), atol=0.011)


def perturbed(names: str, first: int) -> MarketSeries:
    """A year whose noise differs from that of seed 0 from one step on."""
    made = market("years=1")
    noise, other = draw_noise(0, 365 * DAY), draw_noise(99, 365 * DAY)
    chosen = [name for name in noise if name.endswith("_news") == (names == "news")]
    return made.simulate(noise | {name: np.r_[noise[name][:first], other[name][first:]] for name in chosen})


def test_what_happens_later_moves_no_forecast_that_is_out() -> None:
    usual, now = market("years=1").load(), 200 * DAY
    later = perturbed("surprises", now)
    published = now + DAY  # the first interval whose forecast was not yet out
    before, after = usual.columns["price_forecast"], later.columns["price_forecast"]
    assert (before[:published] == after[:published]).all()
    assert (before[published + 12 :] != after[published + 12 :]).mean() > 0.9
    assert (usual.price[:now] == later.price[:now]).all()
    assert (usual.price[now:] != later.price[now:]).mean() > 0.9


def test_news_of_the_weather_moves_only_what_it_is_about() -> None:
    usual, later = market("years=1").load(), perturbed("news", 200 * DAY)
    for name in ("price_forecast", "demand_mw", "temperature_c"):
        assert (usual.columns[name][: 200 * DAY] == later.columns[name][: 200 * DAY]).all()
        assert (usual.columns[name][201 * DAY :] != later.columns[name][201 * DAY :]).mean() > 0.5


def test_the_forecast_of_an_hour_is_out_a_day_before_its_first_minute() -> None:
    made = market("years=1", "interval_minutes=60")
    noise, other, now = draw_noise(0, 365 * DAY), draw_noise(99, 365 * DAY), 200 * DAY + 6
    changed = noise | {name: np.r_[noise[name][:now], other[name][now:]] for name in ("outage", "forecast", "demand")}
    before, after = (made.simulate(each).columns["price_forecast"] for each in (noise, changed))
    moved = np.flatnonzero(before != after)[0]
    # The hour that starts at 201 * DAY was published at 200 * DAY, six steps before the change.
    assert moved > 201 * 24


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("seed=-1", "market.seed must be a whole number from 0"),
        ("seed=0.5", "market.seed must be a whole number"),
        ("years=0", "market.years must be a whole number from 1 to 50, got 0"),
        ("years=2.5", "market.years must be a whole number"),
        ("first_year=1900", "market.first_year"),
        ("interval_minutes=7", "market.interval_minutes must be one of"),
        ("price_floor=1", "market.price_floor must be 0 per MWh or less"),
        ("price_cap=0", "market.price_cap must be above 0"),
        ("regimes=[]", "market.regimes must name one regime or more"),
        ("weather.seen_share=1.5", "market.weather.seen_share must be a fraction from 0 to 1, got 1.5"),
        ("weather.spell_h=0", "market.weather.spell_h"),
        ("weather.spell_h=.nan", "market.weather.spell_h"),
        ("weather.mean_c=warm", "market.weather.mean_c must be in degrees C from -50 to 50, got 'warm'"),
        ("demand.hourly_mw=[1,2]", "market.demand.hourly_mw must have 24 values"),
        ("demand.weekend=-1", "market.demand.weekend"),
        ("renewables.wind_mw=-1", "market.renewables.wind_mw must be in MW"),
        ("renewables.latitude_deg=50", "market.renewables.latitude_deg must be a southern latitude"),
        ("supply.needed_mw=[2,1]", "market.supply.needed_mw must be two or more rising numbers"),
        ("supply.price=[1,2]", "market.supply.price must be 24 numbers that never fall"),
        ("supply.bid_h=0", "market.supply.bid_h must be in hours"),
        ("spikes.tail=0", "market.spikes.tail"),
        ("plunges.last_h=0", "market.plunges.last_h"),
        ("forecast.error_mw=-5", "market.forecast.error_mw"),
    ],
)
def test_a_parameter_out_of_range_is_named_with_its_rule(change: str, message: str) -> None:
    with pytest.raises(Exception) as caught:
        market(change)
    mistake = caught.value if isinstance(caught.value, ConfigError) else caught.value.__cause__
    assert isinstance(mistake, ConfigError)
    assert message in str(mistake)


def test_a_regime_out_of_range_is_refused() -> None:
    with pytest.raises(ConfigError, match="market.regimes.fuel must be a factor from 0 to 20, got -1"):
        replace(market().regimes[0], fuel=-1)
