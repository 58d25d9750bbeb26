"""Forecasts in the series cache: mapped from files beside the series, and read again where these are damaged."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from battery_lab.common.cache_keys_and_cleanup import trim_cache
from battery_lab.market.forecasts.daily_publication import DailyPublication
from battery_lab.market.forecasts.forecast_vintages import ForecastVintages, stored_runs
from battery_lab.market.market_series import MarketSeries
from battery_lab.market.series_cache import cached
from tests.small_batteries_and_series import make_series


def product(name: str, steps: int = 3) -> ForecastVintages:
    published = np.repeat(np.datetime64("2024-01-01", "s") + np.arange(50) * np.timedelta64(300, "s"), steps)
    start = published + np.tile(np.arange(steps), 50) * np.timedelta64(300, "s")
    values = np.random.default_rng(steps).normal(50, 20, len(start))
    return ForecastVintages.of(name=name, quantity="price", published=published, start=start, value=values)


@pytest.fixture
def make() -> Callable[[], MarketSeries]:
    """Return a function that makes a series with two forecasts; ``make.calls`` counts."""

    class Make:
        calls = 0

        def __call__(self) -> MarketSeries:
            self.calls += 1
            forecasts = {"p5min": product("p5min"), "predispatch": product("predispatch", 7)}
            rule = DailyPublication(765, "Europe/Brussels")
            return make_series(np.arange(50.0), forecasts=forecasts, published={"price": rule})

    return Make()


def test_forecasts_are_mapped_from_the_cache_now_and_later(make: Callable[[], MarketSeries], tmp_path: Path) -> None:
    series = [cached(str(tmp_path), "k", make) for _ in range(2)]
    assert make.calls == 1  # type: ignore[attr-defined]
    assert {loaded.digest for loaded in series} == {make().digest}
    assert series[1].published == make().published
    for loaded in series:
        for vintages in loaded.forecasts.values():
            assert is_mapped(stored_runs(vintages).values)
    assert sorted(file.name for file in tmp_path.iterdir()) == [
        "market-k-forecast-0.npy",
        "market-k-forecast-1.npy",
        "market-k.npz",
    ]


def is_mapped(array: np.ndarray | None) -> bool:
    while array is not None and not isinstance(array, np.memmap):
        array = array.base  # type: ignore[assignment]
    return array is not None


def cut_short(file: Path) -> None:
    content = file.read_bytes()
    file.unlink()  # what is mapped stays as it is
    file.write_bytes(content[:-4])


def other_type(file: Path) -> None:
    values = np.load(file)
    file.unlink()
    np.save(file, values.astype(np.float64))


@pytest.mark.parametrize("damage", [Path.unlink, cut_short, other_type])
def test_a_damaged_or_missing_file_of_a_forecast_is_replaced(
    make: Callable[[], MarketSeries], tmp_path: Path, damage: Callable[[Path], None]
) -> None:
    first = cached(str(tmp_path), "k", make)
    damage(tmp_path / "market-k-forecast-1.npy")
    again = cached(str(tmp_path), "k", make)
    assert make.calls == 2  # type: ignore[attr-defined]
    assert again.digest == first.digest


def test_files_of_forecasts_are_cleaned_up_with_their_series(make: Callable[[], MarketSeries], tmp_path: Path) -> None:
    cached(str(tmp_path), "k", make)
    for file in tmp_path.iterdir():
        os.utime(file, (0, 0))
    trim_cache(tmp_path, kept_bytes=0)
    assert not list(tmp_path.iterdir())


def test_a_cut_of_a_forecast_is_stored_without_the_rest(make: Callable[[], MarketSeries], tmp_path: Path) -> None:
    cut = make().rows(10, 20)  # the first 21 of 50 runs
    stored = cached(str(tmp_path), "k", lambda: cut)
    assert stored.digest == cut.digest
    assert len(np.load(tmp_path / "market-k-forecast-0.npy")) < 3 * 50
