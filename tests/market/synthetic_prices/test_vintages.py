"""Vintages of the synthetic market: prices as without them, what runs cover and may know, and how they err."""

from __future__ import annotations

import hashlib
import time
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from battery_lab.common.errors import ConfigError
from battery_lab.market.forecasts.forecast_vintages import ForecastVintages, stored_runs
from battery_lab.market.forecasts.vintage_runs import Runs
from battery_lab.market.market_series import MarketSeries
from battery_lab.market.synthetic_prices.noise import draw_forecast_noise, draw_noise
from battery_lab.market.synthetic_prices.synthetic_market import UTC_OFFSET, SyntheticMarket
from battery_lab.market.synthetic_prices.vintages import BEYOND_STEPS, Outlook, p5min
from tests.market.synthetic_prices.test_synthetic_market import market

DAY = 288
YEAR = 365 * DAY
Noise = dict[str, NDArray[np.float64]]
BURSTS = ("spikes", "plunges")


@cache
def source(*changes: str) -> SyntheticMarket:
    return market("years=1", "vintages=true", *changes)


@cache
def one_year() -> MarketSeries:
    return source().load()


@cache
def noise_of(seed: int) -> tuple[Noise, Noise]:
    steps = YEAR + BEYOND_STEPS
    return draw_noise(seed, steps), draw_forecast_noise(seed, steps)


def changed_from(step: int, *names: str) -> tuple[Noise, Noise]:
    """Return the noise of seed 0, of which some, or all without names, is replaced from a step on."""
    changed = []
    for usual, other in zip(noise_of(0), noise_of(99), strict=True):
        chosen = [name for name in usual if not names or name in names]
        changed.append(usual | {name: np.r_[usual[name][:step], other[name][step:]] for name in chosen})
    return changed[0], changed[1]


def steps_of(vintages: ForecastVintages) -> tuple[Runs, NDArray[np.int64], NDArray[np.int64]]:
    """Return the runs, and by value the step after its interval and the first step of its run."""
    runs, size = stored_runs(vintages), round(vintages.step_h * 12)
    first = (runs.first - one_year().start[0]) // np.timedelta64(300, "s")
    counts = np.diff(runs.offset)
    place = np.arange(len(runs.values)) - np.repeat(runs.offset[:-1], counts)
    return runs, np.repeat(first, counts) + size * (place + 1), np.repeat(first, counts)


def test_prices_and_columns_are_those_without_vintages() -> None:
    plain, with_vintages = market("years=1").load(), one_year()
    assert not plain.forecasts
    assert replace(with_vintages, forecasts={}).digest == plain.digest != with_vintages.digest
    assert np.array_equal(with_vintages.price, plain.price)


@pytest.mark.parametrize(("name", "fitted"), [("p5min", "b5b76a84bb16cc99"), ("predispatch", "7c3ad835b93459f6")])
def test_vintages_equal_the_fitted_ones(name: str, fitted: str) -> None:
    # Another hash means other forecasts: the ladder in docs/market.md and all figures on them become invalid.
    runs = stored_runs(one_year().forecasts[name])
    cents = np.rint(runs.values[runs.offset[1] :].astype(np.float64) * 100).astype("<i8")  # before it, nothing is known
    assert hashlib.sha256(cents.tobytes()).hexdigest()[:16] == fitted


def test_the_cache_returns_the_same_vintages(tmp_path: Path) -> None:
    made, stored = (source().load_cached(str(tmp_path)) for _ in range(2))
    assert made.digest == stored.digest == one_year().digest
    assert source("forecaster.slow_mw=1.0").load_cached(str(tmp_path)).digest != made.digest


def test_p5min_covers_an_hour_from_the_coming_interval_on() -> None:
    series = one_year()
    for row in (0, 5, 100 * DAY + 17, YEAR - 1):
        vintage = series.forecasts["p5min"].as_of(series.start[row])
        assert vintage is not None
        assert vintage.start.tolist() == (series.start[row] + np.timedelta64(300, "s") * np.arange(12)).tolist()
        assert vintage.age_h == pytest.approx(1 / 60)


@pytest.mark.parametrize(
    ("clock", "first", "end_h"),
    [
        ("00:02", "00:00", 28.0),
        ("03:32", "03:30", 24.5),
        ("04:02", "04:00", 24.0),
        ("12:02", "12:00", 16.0),
        ("12:31", "12:00", 16.0),
        ("12:32", "12:30", 39.5),
        ("18:02", "18:00", 34.0),
        ("18:31", "18:00", 34.0),
    ],
)
def test_predispatch_reaches_the_end_of_the_next_trading_day(clock: str, first: str, end_h: float) -> None:
    vintages = one_year().forecasts["predispatch"]
    vintage = vintages.as_of(np.datetime64(f"2022-06-15T{clock}:00") - UTC_OFFSET)
    assert vintage is not None
    assert vintage.start[0] == np.datetime64(f"2022-06-15T{first}") - UTC_OFFSET
    assert len(vintage.start) == 2 * end_h
    assert np.isfinite(vintage.values).all()


def test_runs_are_issued_per_interval_if_that_is_longer() -> None:
    series = market("years=1", "vintages=true", "interval_minutes=30").load()
    p5min, predispatch = (stored_runs(series.forecasts[name]) for name in ("p5min", "predispatch"))
    assert len(p5min.first) == len(predispatch.first) == len(series)
    usual = stored_runs(one_year().forecasts["p5min"])
    assert np.array_equal(p5min.values.reshape(-1, 12), usual.values.reshape(-1, 12)[::6])


def test_longer_market_begins_with_the_same_forecasts() -> None:
    long = market("years=2", "vintages=true").load()
    for name, vintages in one_year().forecasts.items():
        short_runs, long_runs = stored_runs(vintages), stored_runs(long.forecasts[name])
        assert np.array_equal(long_runs.values[: len(short_runs.values)], short_runs.values)
        assert np.array_equal(long_runs.published[: len(short_runs.published)], short_runs.published)


def test_no_run_knows_what_happens_after_the_interval_of_a_value() -> None:
    changed_at = 200 * DAY + 7
    for name, after in source().forecasts(*changed_from(changed_at)).items():
        runs, end, _ = steps_of(one_year().forecasts[name])
        same = runs.values == stored_runs(after).values
        assert same[end <= changed_at].all()
        assert same[end > changed_at + 12].mean() < 0.2


@pytest.mark.parametrize(
    "names", [("bid",), ("jump", "quote"), tuple(f"{b}_{p}" for b in BURSTS for p in ("size", "wobble"))]
)
def test_surprises_are_in_no_run_before_they_happen(names: tuple[str, ...]) -> None:
    changed_at = 200 * DAY + 7
    for name, after in surprised().forecasts(*changed_from(changed_at, *names)).items():
        runs, _, first = steps_of(surprised_vintages()[name])
        same = runs.values == stored_runs(after).values
        assert same[first <= changed_at].all()
        assert same[first > changed_at].all() == (names == ("jump", "quote"))


def forecaster(**changes: Any) -> Any:
    usual = source().forecaster
    assert usual is not None
    return replace(usual, **changes)


def surprised() -> SyntheticMarket:
    """Return a market whose bursts are surprises, too: usually, a part of them is seen ahead."""
    return replace(source(), forecaster=forecaster(seen_spikes=0.0, seen_plunges=0.0))


@cache
def surprised_vintages() -> dict[str, ForecastVintages]:
    return surprised().forecasts(*noise_of(0))


def test_the_first_run_does_not_know_what_happens_in_its_first_step() -> None:
    steps = 3 * DAY
    outlook = plain_outlook(steps)
    changed = outlook._replace(offers_mw=np.r_[500.0, outlook.offers_mw[1:]])
    before, after = (
        stored_runs(p5min(known, one_year().start[0], DAY, 1)).values.reshape(-1, 12) for known in (outlook, changed)
    )
    np.testing.assert_array_equal(after[0], before[0])
    assert (after[1] != before[1]).all()


def plain_outlook(steps: int) -> Outlook:
    """Return an outlook without errors or bursts."""
    nothing, noise = np.zeros(steps), draw_forecast_noise(3, steps)
    return Outlook(
        supply=source().supply,
        fuel=nothing + 1,
        needed_mw=5_000 + 1_000 * np.sin(np.arange(steps) / 50),
        offers_mw=nothing,
        errors=[],
        bursts=[forecaster().view(source().spikes, nothing, nothing, noise)],
        price_range=(-1e6, 1e6),
    )


def without_bursts(slow_mw: float) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
    """Return (R, 12) forecasts of need itself, in MW, and (R, 12) the need, on a supply curve of one AUD per MW."""
    line = replace(source().supply, needed_mw=[-50_000.0, 50_000.0], price=[-50_000.0, 50_000.0], bid_mw=0.0)
    noise = draw_forecast_noise(3, YEAR + BEYOND_STEPS)
    errors = forecaster(slow_mw=slow_mw, fast_mw=0.0).errors(noise)
    outlook = plain_outlook(YEAR + BEYOND_STEPS)._replace(supply=line, errors=errors)
    runs = stored_runs(p5min(outlook, one_year().start[0], YEAR, 1))
    rows = np.arange(YEAR)[:, None] + np.arange(12)
    return runs.values.reshape(-1, 12), outlook.needed_mw[rows]


def test_errors_have_the_stated_size_and_are_corrected_in_all_intervals_at_once() -> None:
    seen, real = without_bursts(500.0)
    error = seen - real
    lead_h, decay_h = np.arange(1, 13) / 12, forecaster().slow_h
    np.testing.assert_allclose(error.std(axis=0), 500 * np.sqrt(1 - np.exp(-2 * lead_h / decay_h)), rtol=0.03)
    # What one run corrects for an interval, it corrects for its neighbour.
    revision = error[1:, :-1] - error[:-1, 1:]
    assert np.corrcoef(revision[:, 3], revision[:, 4])[0, 1] > 0.999
    # The next correction does not follow from the one before.
    assert abs(np.corrcoef(revision[1:, 3], revision[:-1, 3])[0, 1]) < 0.02


def lead_errors(series: MarketSeries, name: str, leads: list[int]) -> NDArray[np.float64]:
    """Return the mean magnitude of asinh errors by the number of an interval in its run."""
    runs, end, _ = steps_of(series.forecasts[name])
    size = round(series.forecasts[name].step_h * 12)
    actual = np.arcsinh(series.price.reshape(-1, size).mean(axis=1) / 50)
    place = np.arange(len(end)) - np.repeat(runs.offset[:-1], np.diff(runs.offset))
    inside = end <= len(series)
    error = np.abs(np.arcsinh(runs.values[inside] / 50) - actual[end[inside] // size - 1])
    return np.array([error[place[inside] == lead].mean() for lead in leads])


def test_errors_grow_with_the_time_ahead() -> None:
    assert (np.diff(lead_errors(one_year(), "p5min", [0, 2, 5, 11])) > 0).all()
    assert (np.diff(lead_errors(one_year(), "predispatch", [0, 2, 6, 16, 30])) > 0).all()


def test_spikes_are_mostly_seen_late_and_some_forecast_ones_never_come() -> None:
    series = one_year()
    runs, end, first = steps_of(series.forecasts["predispatch"])
    inside = end <= len(series)
    highest = series.price.reshape(-1, 6).max(axis=1)[end[inside] // 6 - 1]
    forecast, ahead = runs.values[inside], (end - first)[inside]
    real, shown, false = highest > 1000, forecast > 500, (forecast > 1000) & (highest < 500)
    near, far = ahead <= 12, ahead > 60
    assert shown[real & far].mean() < 0.6 < shown[real & near].mean() < 1
    assert false[near & (forecast > 1000)].mean() > 0.05


def test_a_spike_that_has_begun_is_forecast_to_last() -> None:
    vintages = stored_runs(surprised_vintages()["p5min"]).values.reshape(-1, 12)
    price = one_year().price
    began = np.flatnonzero((price[1:-1] > 1000) & (price[:-2] < 450)) + 1
    assert len(began) >= 5
    assert (vintages[began, 0] < 500).mean() > 0.9
    after = vintages[began + 1]
    assert (after[:, 0] > 750).mean() > 0.9
    assert (np.median(np.diff(after, axis=1), axis=0) <= 0).all()


def test_prices_stay_within_floor_and_cap() -> None:
    series = market("years=1", "vintages=true", "price_cap=800", "price_floor=-60").load()
    for vintages in series.forecasts.values():
        values = stored_runs(vintages).values
        assert values.min() >= -60 and values.max() <= 800


def test_vintages_need_a_forecaster() -> None:
    with pytest.raises(ConfigError, match="market.forecaster must be given with market.vintages=true"):
        replace(source(), forecaster=None)
    older = replace(source(), vintages=False, forecaster=None)
    assert older.load().digest == replace(one_year(), forecasts={}).digest


def test_a_year_of_vintages_takes_a_second_or_so() -> None:
    noise = noise_of(0)
    began = time.process_time()
    vintages = source().forecasts(*noise)
    assert time.process_time() - began < 5
    assert sum(len(stored_runs(known).values) for known in vintages.values()) > 2_000_000
