"""A parsed series is kept, found again, and never trusted when its source, its options or its file changed."""

from __future__ import annotations

import os
import threading
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from battery_lab.market import series_cache
from battery_lab.market.reader import FileMarket
from battery_lab.market.series import MarketSeries
from battery_lab.market.series_cache import cached
from tests.factories import make_series, wavy_prices
from tests.market import operator_files as made

NIGHT = datetime(2024, 1, 1, tzinfo=UTC)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    rows = made.aemo_rows(NIGHT, [float(price) for price in range(30)])
    return made.write(tmp_path / "in" / "x.csv", made.AEMO_HEADER, rows)


@pytest.fixture
def parsed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return a list that grows by one with each parse."""
    parses: list[str] = []
    real = FileMarket._parse

    def counting(self: FileMarket, files: Any) -> MarketSeries:
        parses.append(self.path)
        return real(self, files)

    monkeypatch.setattr(FileMarket, "_parse", counting)
    return parses


def load(source: Path, **changes: Any) -> MarketSeries:
    return made.read("aemo", source, cache=str(source.parents[1] / "cache"), **changes)


def kept(source: Path) -> list[Path]:
    return sorted((source.parents[1] / "cache").iterdir())


def test_the_second_start_finds_the_same_series_without_parsing(source: Path, parsed: list[str]) -> None:
    first, second = load(source), load(source)
    assert len(parsed) == 1
    assert first.digest == second.digest
    assert second.start.dtype == first.start.dtype
    assert (second.name, second.currency, second.time_zone) == ("VIC1", "AUD", "Australia/Melbourne")
    assert list(second.columns) == ["demand_mw"]


def test_without_a_folder_nothing_is_kept(source: Path, parsed: list[str]) -> None:
    made.read("aemo", source)
    made.read("aemo", source)
    assert len(parsed) == 2


def test_a_changed_source_is_parsed_again(source: Path, parsed: list[str]) -> None:
    before = load(source)
    stat = source.stat()
    source.write_text(source.read_text().replace(",7.0,", ",8.0,"))
    os.utime(source, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    after = load(source)
    assert (before.price[7], after.price[7], len(parsed)) == (7, 8, 2)


def test_another_file_in_the_folder_is_seen(source: Path, parsed: list[str]) -> None:
    load(source.parent)
    made.write(source.parent / "y.csv", made.AEMO_HEADER, made.aemo_rows(NIGHT.replace(hour=2, minute=30), [1.0] * 5))
    assert len(load(source.parent)) == 35


def test_another_option_or_reader_version_is_another_series(
    source: Path, parsed: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    load(source)
    assert load(source, time_zone="Australia/Brisbane").time_zone == "Australia/Brisbane"
    monkeypatch.setattr(series_cache, "READER_VERSION", series_cache.READER_VERSION + 1)
    load(source)
    assert len(parsed) == 3


def test_an_error_is_not_kept(source: Path, parsed: list[str]) -> None:
    source.write_text(source.read_text().replace(",7.0,", ",dear,"))
    for _ in range(2):
        with pytest.raises(ValueError, match="dear"):
            load(source)
    assert len(parsed) == 2


def test_all_of_a_series_comes_back(tmp_path: Path) -> None:
    series = make_series(
        wavy_prices(2),
        columns={"price": np.ones(576), "price_forecast": np.arange(576.0)},
        lead_h={"price_forecast": 24.0},
        gap=np.arange(576) % 7 == 0,
    )
    cached(str(tmp_path), "k", lambda: series)
    again = cached(str(tmp_path), "k", lambda: pytest.fail("the series was there"))
    assert again.digest == series.digest
    assert list(again.columns) == ["price", "price_forecast"]


@settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_damaged_file_is_made_anew(tmp_path: Path, data: st.DataObject) -> None:
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


def test_a_folder_that_cannot_be_written_costs_no_run(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "cache").write_text("a file where the folder should be")
    series = make_series([1.0, 2.0])
    assert cached(str(tmp_path / "cache"), "k", lambda: series) is series
    assert "could not be kept" in caplog.text


def test_a_write_that_fails_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any, **__: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "savez", full)
    cached(str(tmp_path), "k", lambda: make_series([1.0, 2.0]))
    assert list(tmp_path.iterdir()) == []


def test_two_runs_at_once_leave_one_whole_file(source: Path) -> None:
    digests: list[str] = []
    runs = [threading.Thread(target=lambda: digests.append(load(source).digest)) for _ in range(6)]
    for run in runs:
        run.start()
    for run in runs:
        run.join()
    assert len(set(digests)) == 1 and len(digests) == 6
    assert [file.suffix for file in kept(source)] == [".npz"]


def test_four_years_of_five_minutes_come_back_in_well_under_a_second(tmp_path: Path) -> None:
    series = make_series(wavy_prices(4 * 365), columns={"demand_mw": wavy_prices(4 * 365, seed=1)})
    cached(str(tmp_path), "k", lambda: series)
    begin = time.perf_counter()
    cached(str(tmp_path), "k", lambda: pytest.fail("the series was there"))
    assert time.perf_counter() - begin < 0.3
