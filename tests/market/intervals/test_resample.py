"""Resampling: history joins across a change of the interval, by a stated rule, and is refused without one."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from battery_lab.common.errors import DataError
from tests.market import operator_files as files

CHANGE = datetime(2021, 9, 30, 14, tzinfo=UTC)  # midnight in NEM time
BERLIN = {"time_zone": "Europe/Berlin", "currency": "EUR"}


def eras(folder: Path, long: list[float], short: list[float]) -> Path:
    """Write AEMO files of 30 minutes before the change and of 5 minutes after it."""
    before = CHANGE - timedelta(minutes=30 * len(long))
    files.write(folder / "202109.csv", files.AEMO_HEADER, files.aemo_rows(before, long, 30))
    files.write(folder / "202110.csv", files.AEMO_HEADER, files.aemo_rows(CHANGE, short, 5))
    return folder


def test_a_change_of_the_interval_is_refused_with_the_option(tmp_path: Path) -> None:
    folder = eras(tmp_path, [1.0] * 10, [2.0] * 60)
    with pytest.raises(
        DataError, match=r"202109.csv, row 3: wrong interval: 30 .* market.resample=repeat .*=mean .*2021"
    ):
        files.read("aemo", folder)


def test_repeat_gives_each_short_interval_the_price_of_its_long_one(tmp_path: Path) -> None:
    long, short = [float(i) for i in range(10)], [100.0 + i for i in range(60)]
    series = files.read("aemo", eras(tmp_path, long, short), resample="repeat")
    assert series.interval_h == 1 / 12
    assert series.price.tolist() == [*np.repeat(long, 6), *short]
    assert series.columns["demand_mw"].tolist() == [*(5000 + np.repeat(long, 6)), *(5000 + np.array(short))]
    assert series.start[60] == np.datetime64(CHANGE.replace(tzinfo=None), "s")
    note = "10 intervals of 30 minutes were repeated in their parts of 5 minutes, up to 2021-10-01 00:00:00"
    assert f"202109.csv: {note}" in series.notes


def test_mean_makes_long_intervals_of_whole_sets_of_short_ones(tmp_path: Path) -> None:
    long, short = [float(i) for i in range(10)], [100.0 + i for i in range(62)]
    series = files.read("aemo", eras(tmp_path, long, short), resample="mean", gaps="split")
    assert series.interval_h == 0.5
    means = [102.5 + 6 * i for i in range(10)]
    assert series.price.tolist() == [*long, *means, means[-1]]  # the last one has two of six
    assert np.flatnonzero(series.gap).tolist() == [20]
    assert series.start[0] == np.datetime64("2021-09-30T09:00")


def test_europes_change_from_hours_to_quarters_with_stamps_at_the_start(tmp_path: Path) -> None:
    midnight = datetime(2025, 9, 30, 22, tzinfo=UTC)
    hours = [f"{midnight - timedelta(hours=12 - i):%Y-%m-%dT%H:%MZ},{i}" for i in range(12)]
    quarters = [f"{midnight + timedelta(minutes=15 * i):%Y-%m-%dT%H:%MZ},{100 + i}" for i in range(12)]
    file = files.write(tmp_path / "x.csv", "timestamp,price", hours + quarters)
    series = files.read("table", file, resample="repeat", **BERLIN)
    assert series.price.tolist() == [*np.repeat(np.arange(12.0), 4), *(100 + np.arange(12.0))]
    means = files.read("table", file, resample="mean", **BERLIN)
    assert means.price.tolist() == [*range(12), 101.5, 105.5, 109.5]


def test_gaps_stay_gaps_at_the_change(tmp_path: Path) -> None:
    folder = eras(tmp_path, [1.0] * 20, [2.0] * 60)
    old = (folder / "202109.csv").read_text().splitlines()
    (folder / "202109.csv").write_text("\n".join([*old[:8], *old[9:-2]]))
    new = (folder / "202110.csv").read_text().splitlines()
    (folder / "202110.csv").write_text("\n".join([new[0], *new[4:20], *new[21:]]))
    series = files.read("aemo", folder, resample="repeat", gaps="split")
    assert np.flatnonzero(series.gap).tolist() == [*range(42, 48), *range(108, 123), 139]
    assert set(series.price[:108]) == {1.0} and set(series.price[123:]) == {2.0}


def test_missing_rows_among_short_intervals_are_a_gap_and_no_long_intervals(tmp_path: Path) -> None:
    rows = [f"{CHANGE + timedelta(minutes=15 * i):%Y-%m-%dT%H:%MZ},{i}" for i in range(120)]
    file = files.write(tmp_path / "x.csv", "timestamp,price", rows[:40] + rows[40:80:4] + rows[80:])
    for resample in (None, "repeat"):
        with pytest.raises(DataError, match="a gap of 3 intervals|wrong interval: 60 minutes"):
            files.read("table", file, resample=resample, **BERLIN)
    series = files.read("table", file, resample="repeat", gaps="split", **BERLIN)
    assert (len(series), int(series.gap.sum()), series.repeats_prices) == (120, 30, False)


def test_the_series_knows_the_intervals_for_which_prices_were_published(tmp_path: Path) -> None:
    folder = eras(tmp_path, [1.0] * 10, [2.0] * 60)
    repeated, mean = (files.read("aemo", folder, resample=rule) for rule in ("repeat", "mean"))
    assert repeated.published_interval_h == mean.published_interval_h == (1 / 12, 0.5)
    assert (repeated.repeats_prices, mean.repeats_prices) == (True, False)
    same = [replace(series, published_interval_h=None).digest == series.digest for series in (repeated, mean)]
    assert same == [False, True]
    cached = [files.read("aemo", folder, resample="repeat", cache=str(tmp_path / "cache")) for _ in range(2)]
    assert [series.published_interval_h for series in cached] == [(1 / 12, 0.5)] * 2


def test_a_mean_is_known_once_its_last_part_is(tmp_path: Path) -> None:
    rows = [f"{CHANGE + timedelta(minutes=15 * i):%Y-%m-%dT%H:%MZ},{i}" for i in range(24)]
    file = files.write(tmp_path / "x.csv", "timestamp,price", rows)
    options = BERLIN | {"resample": "mean", "interval_minutes": 60}
    assert files.read("table", file, **{"lead_h.price": 12}, **options).lead_h == {"price": 11.25}
    with pytest.raises(DataError, match=r"market.lead_h.price is 0.5 h, .* at least 0.75 with market.resample=mean"):
        files.read("table", file, **{"lead_h.price": 0.5}, **options)


def test_interval_minutes_is_the_new_length(tmp_path: Path) -> None:
    file = files.write(tmp_path / "x.csv", files.AEMO_HEADER, files.aemo_rows(CHANGE, [float(i) for i in range(48)]))
    hourly = files.read("aemo", file, resample="mean", interval_minutes=60)
    assert (hourly.interval_h, hourly.price.tolist()) == (1.0, [5.5, 17.5, 29.5, 41.5])
    with pytest.raises(
        DataError, match=r"row 2: the interval of 5 minutes does not make 12 minutes. Change market.int"
    ):
        files.read("aemo", file, resample="mean", interval_minutes=12)
    with pytest.raises(DataError, match=r"does not divide into 10 minutes"):
        files.read("aemo", file, resample="repeat", interval_minutes=10)


def test_intervals_of_two_lengths_for_one_time_are_refused(tmp_path: Path) -> None:
    folder = eras(tmp_path, [1.0] * 10, [2.0] * 60)
    early = files.aemo_rows(CHANGE - timedelta(minutes=60), [3.0] * 72, 5)
    files.write(folder / "202110.csv", files.AEMO_HEADER, early)
    for rule in ("repeat", "mean"):
        with pytest.raises(DataError):
            files.read("aemo", folder, resample=rule)


def test_files_of_one_interval_are_not_changed(tmp_path: Path) -> None:
    file = files.write(tmp_path / "x.csv", files.AEMO_HEADER, files.aemo_rows(CHANGE, [float(i) for i in range(48)]))
    usual = files.read("aemo", file)
    for rule in ("repeat", "mean"):
        assert files.read("aemo", file, resample=rule).digest == usual.digest
    dropped = file.read_text().splitlines()
    file.write_text("\n".join(dropped[:9] + dropped[12:]))
    usual = files.read("aemo", file, gaps="split")
    assert files.read("aemo", file, gaps="split", resample="repeat").digest == usual.digest


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data(), long=st.integers(7, 20), short=st.integers(7, 40))
def test_repeat_keeps_the_energy_weighted_mean(tmp_path: Path, data: st.DataObject, long: int, short: int) -> None:
    seed = data.draw(st.integers(0, 10_000))
    prices = np.random.default_rng(seed).normal(50, 20, long + short).round(2)
    folder = eras(tmp_path, prices[:long].tolist(), prices[long:].tolist())
    series = files.read("aemo", folder, resample="repeat")
    total = 30 * prices[:long].sum() + 5 * prices[long:].sum()
    assert 5 * series.price.sum() == pytest.approx(total)
