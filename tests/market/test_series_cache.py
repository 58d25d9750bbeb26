"""Series cache: a parsed series is reused until files, options or code change, or the cache file is damaged."""

from __future__ import annotations

import importlib
import os
import sys
import threading
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from battery_lab.market.market_series import MarketSeries
from battery_lab.market.readers.aemo import AemoMarket
from battery_lab.market.series_cache import cache_key, cached
from tests.market import operator_files as files
from tests.small_batteries_and_series import make_series, wavy_prices

NIGHT = datetime(2024, 1, 1, tzinfo=UTC)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    rows = files.aemo_rows(NIGHT, [float(price) for price in range(30)])
    return files.write(tmp_path / "in" / "x.csv", files.AEMO_HEADER, rows)


@pytest.fixture
def parsed(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Return the list of files that are parsed."""
    parses: list[Path] = []
    read = AemoMarket.read

    def record(self: AemoMarket, file: Path) -> pd.DataFrame:
        parses.append(file)
        return read(self, file)

    monkeypatch.setattr(AemoMarket, "read", record)
    return parses


def load(source: Path, **changes: Any) -> MarketSeries:
    return files.read("aemo", source, cache=str(source.parents[1] / "cache"), **changes)


def cache_files(source: Path) -> list[Path]:
    return sorted((source.parents[1] / "cache").iterdir())


def test_second_load_returns_the_same_series_without_parsing(source: Path, parsed: list[Path]) -> None:
    first, second = load(source), load(source)
    assert len(parsed) == 1
    assert first.digest == second.digest
    assert second.start.dtype == first.start.dtype
    assert (second.name, second.currency, second.time_zone) == ("VIC1", "AUD", "Australia/Melbourne")
    assert list(second.columns) == ["demand_mw"]


def test_without_a_folder_each_load_parses(source: Path, parsed: list[Path]) -> None:
    files.read("aemo", source)
    files.read("aemo", source)
    assert len(parsed) == 2


def test_changed_source_is_parsed_again(source: Path, parsed: list[Path]) -> None:
    before = load(source)
    stat = source.stat()
    source.write_text(source.read_text().replace(",7.0,", ",8.0,"))
    os.utime(source, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    after = load(source)
    assert (before.price[7], after.price[7], len(parsed)) == (7, 8, 2)


def test_new_file_in_the_folder_is_read(source: Path, parsed: list[Path]) -> None:
    load(source.parent)
    rows = files.aemo_rows(NIGHT.replace(hour=2, minute=30), [1.0] * 5)
    files.write(source.parent / "y.csv", files.AEMO_HEADER, rows)
    assert len(load(source.parent)) == 35


def test_changed_option_parses_again(source: Path, parsed: list[Path]) -> None:
    load(source)
    assert load(source, time_zone="Australia/Brisbane").time_zone == "Australia/Brisbane"
    assert len(parsed) == 2


def test_edited_reader_gets_another_key(source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(source.parent))
    module = source.parent / "edited_reader.py"

    def key(code: str) -> str:
        module.write_text(code)
        sys.modules.pop("edited_reader", None)
        importlib.invalidate_caches()
        return cache_key(importlib.import_module("edited_reader").Reader, {}, [source])

    before = key("class Reader:\n    scale = 1\n")
    assert key("class Reader:\n    scale = 1000\n") != before
    assert key("class Reader:\n    scale = 1\n") == before
    monkeypatch.delitem(sys.modules, "edited_reader")


def test_error_is_not_cached(source: Path, parsed: list[Path]) -> None:
    source.write_text(source.read_text().replace(",7.0,", ",cheap,"))
    for _ in range(2):
        with pytest.raises(ValueError, match="cheap"):
            load(source)
    assert len(parsed) == 2


def test_cached_series_is_complete(tmp_path: Path) -> None:
    series = make_series(
        wavy_prices(2),
        columns={"price": np.ones(576), "price_forecast": np.arange(576.0)},
        lead_h={"price_forecast": 24.0},
        gap=np.arange(576) % 7 == 0,
    )
    cached(str(tmp_path), "k", lambda: series)
    restored = cached(str(tmp_path), "k", lambda: pytest.fail("the series is in the cache"))
    assert restored.digest == series.digest
    assert list(restored.columns) == ["price", "price_forecast"]


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_damaged_file_is_replaced(tmp_path: Path, data: st.DataObject) -> None:
    series = make_series([1.0, 2.0, 3.0], columns={"demand_mw": np.ones(3)})
    file = tmp_path / "market-k.npz"
    file.unlink(missing_ok=True)
    cached(str(tmp_path), "k", lambda: series)
    whole = file.read_bytes()
    at = data.draw(st.integers(0, len(whole) - 1))
    cut = data.draw(st.booleans())
    file.write_bytes(whole[:at] if cut else whole[:at] + bytes([whole[at] ^ 0xFF]) + whole[at + 1 :])
    assert cached(str(tmp_path), "k", lambda: series).digest == series.digest
    if cut:
        assert file.read_bytes() == whole


def test_folder_that_cannot_be_written_is_logged(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "cache").write_text("a file where the folder should be")
    series = make_series([1.0, 2.0])
    assert cached(str(tmp_path / "cache"), "k", lambda: series) is series
    assert "could not be cached" in caplog.text


def test_failed_write_leaves_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any, **__: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "savez", full)
    cached(str(tmp_path), "k", lambda: make_series([1.0, 2.0]))
    assert list(tmp_path.iterdir()) == []


def test_concurrent_runs_leave_one_complete_file(source: Path) -> None:
    digests: list[str] = []
    runs = [threading.Thread(target=lambda: digests.append(load(source).digest)) for _ in range(6)]
    for run in runs:
        run.start()
    for run in runs:
        run.join()
    assert len(set(digests)) == 1 and len(digests) == 6
    assert [file.suffix for file in cache_files(source)] == [".npz"]


def test_four_years_of_five_minutes_load_in_under_a_second(tmp_path: Path) -> None:
    series = make_series(wavy_prices(4 * 365), columns={"demand_mw": wavy_prices(4 * 365, seed=1)})
    cached(str(tmp_path), "k", lambda: series)
    begin = time.perf_counter()
    cached(str(tmp_path), "k", lambda: pytest.fail("the series is in the cache"))
    assert time.perf_counter() - begin < 1.0


def test_the_series_has_the_floor_and_the_cap_of_its_market_also_from_the_cache(tmp_path: Path) -> None:
    file = files.write(tmp_path / "x.csv", "timestamp,price", ["2024-01-01T00:00Z,5", "2024-01-01T01:00Z,500"])
    limits = {"price_floor": -500.0, "price_cap": 400.0}
    choices = {"time_zone": "Europe/Berlin", "currency": "EUR", "cache": str(tmp_path / "cache")} | limits
    for _ in range(2):
        series = files.read("table", file, **choices)
        assert (series.price_floor, series.price_cap, series.beyond_limits) == (-500.0, 400.0, 1)
    assert list((tmp_path / "cache").glob("*.npz"))
