"""Gaps: refused, filled up to a length, or marked so that no episode touches them, and never with look-ahead."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from battery_lab.common.errors import DataError
from battery_lab.market.file_formats.rows_with_source import Rows
from battery_lab.market.intervals.interval_grid import put_on_grid
from tests.market import operator_files as files

NIGHT = datetime(2024, 1, 1, tzinfo=UTC)
NAN = float("nan")


def file_with_gaps(folder: Path, dropped: set[int], empty: set[int] = frozenset(), count: int = 40) -> Path:
    """Write an AEMO file with some rows dropped and some prices empty."""
    rows = files.aemo_rows(NIGHT, [float(price) for price in range(count)])
    rows = [row.replace(f",{float(i)!r},", ",,") if i in empty else row for i, row in enumerate(rows)]
    return files.write(folder / "x.csv", files.AEMO_HEADER, [row for i, row in enumerate(rows) if i not in dropped])


def test_missing_row_is_refused_with_its_place_and_the_remedies(tmp_path: Path) -> None:
    with pytest.raises(DataError) as caught:
        files.read("aemo", file_with_gaps(tmp_path, {10, 11, 30}))
    message = str(caught.value)
    assert "x.csv, row 12: a gap of 2 intervals, 0.1667 h between 2024-01-01 10:50:00 (row 11)" in message
    assert "and 2024-01-01 11:05:00; 3 of 40 intervals are missing in total" in message
    assert "market.gaps=fill" in message and "market.gaps=split" in message


def test_missing_month_names_the_files_before_and_after(tmp_path: Path) -> None:
    files.write(tmp_path / "a.csv", files.AEMO_HEADER, files.aemo_rows(NIGHT, [1.0] * 20))
    files.write(tmp_path / "c.csv", files.AEMO_HEADER, files.aemo_rows(NIGHT.replace(month=3), [1.0] * 20))
    with pytest.raises(DataError, match=r"c.csv, row 2: a gap of .*\(row 21 of .*a.csv\)"):
        files.read("aemo", tmp_path)


@pytest.mark.parametrize("cell", ["", "NaN", "null", " "])
def test_missing_price_is_refused_with_its_row(tmp_path: Path, cell: str) -> None:
    rows = files.aemo_rows(NIGHT, [1.5] * 9)
    rows[5] = rows[5].replace(",1.5,", f",{cell},")
    file = files.write(tmp_path / "x.csv", files.AEMO_HEADER, rows)
    with pytest.raises(DataError, match="x.csv, row 7: price missing at 2024-01-01 10:30:00; .*market.gaps=fill"):
        files.read("aemo", file)


def test_missing_demand_is_refused_with_its_name(tmp_path: Path) -> None:
    rows = files.aemo_rows(NIGHT, [1.5] * 9)
    rows[5] = rows[5].replace(",5001.5,", ",,")
    with pytest.raises(DataError, match="row 7: demand_mw missing"):
        files.read("aemo", files.write(tmp_path / "x.csv", files.AEMO_HEADER, rows))


def test_file_without_any_price_is_an_error_for_every_option(tmp_path: Path) -> None:
    file = file_with_gaps(tmp_path, set(), set(range(40)))
    for gaps in ("refuse", "fill", "split"):
        with pytest.raises(DataError, match="row 2: price missing .* the whole series. Use files that hold prices"):
            files.read("aemo", file, gaps=gaps)


def test_missing_first_prices_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="row 2: price missing at .*; the gap is 3 interval"):
        files.read("aemo", file_with_gaps(tmp_path, set(), {0, 1, 2}))


def test_fill_repeats_the_last_value(tmp_path: Path) -> None:
    series = files.read("aemo", file_with_gaps(tmp_path, {10, 11}, {12, 30}), gaps="fill")
    assert len(series) == 40
    assert list(series.price[8:14]) == [8, 9, 9, 9, 9, 13]
    assert series.price[30] == 29
    assert series.columns["demand_mw"][11] == 5009
    assert series.columns["demand_mw"][12] == 5012
    assert not series.gap.any()


def test_fill_refuses_gaps_longer_than_max_gap_h(tmp_path: Path) -> None:
    file = file_with_gaps(tmp_path, set(range(10, 23)))
    with pytest.raises(DataError, match=r"row 12: a gap of 13 .* market.max_gap_h=1: raise it, or .*market.gaps=split"):
        files.read("aemo", file, gaps="fill")
    assert len(files.read("aemo", file, gaps="fill", max_gap_h=13 / 12)) == 40


def test_split_marks_exactly_the_missing_intervals(tmp_path: Path) -> None:
    series = files.read("aemo", file_with_gaps(tmp_path, set(range(5, 25)), {30}), gaps="split")
    assert np.flatnonzero(series.gap).tolist() == [*range(5, 25), 30]
    assert set(series.price[5:25]) == {4.0}
    assert np.all(np.diff(series.start) == np.timedelta64(5, "m"))


def test_short_gaps_are_filled_and_longer_ones_split(tmp_path: Path) -> None:
    file = file_with_gaps(tmp_path, {5, 6, *range(10, 23)}, {30})
    series = files.read("aemo", file, gaps="fill_or_split")
    assert np.flatnonzero(series.is_filled).tolist() == [5, 6, 30]
    assert np.flatnonzero(series.gap).tolist() == list(range(10, 23))
    assert set(series.price[10:23]) == {9.0}
    wider = files.read("aemo", file, gaps="fill_or_split", max_gap_h=13 / 12)
    assert (wider.is_filled.sum(), wider.gap.sum()) == (16, 0)
    narrow = files.read("aemo", file, gaps="fill_or_split", max_gap_h=0.01)
    split = files.read("aemo", file, gaps="split")
    assert narrow.digest == split.digest
    assert not narrow.is_filled.any()


@pytest.mark.parametrize(("gaps", "filled"), [("fill", [10, 11, 12, 30]), ("split", [])])
def test_filled_intervals_are_marked_also_from_the_cache(tmp_path: Path, gaps: str, filled: list[int]) -> None:
    file = file_with_gaps(tmp_path, {10, 11}, {12, 30})
    for _ in range(2):
        series = files.read("aemo", file, gaps=gaps, cache=str(tmp_path / "cache"))
        assert np.flatnonzero(series.is_filled).tolist() == filled
    assert np.flatnonzero(series.rows(11, 40).is_filled).tolist() == [i - 11 for i in filled if i >= 11]


@pytest.mark.parametrize("gaps", ["fill", "split", "fill_or_split"])
def test_series_begins_with_its_first_price(tmp_path: Path, gaps: str) -> None:
    series = files.read("aemo", file_with_gaps(tmp_path, set(), set(range(20))), gaps=gaps)
    assert series.price.tolist() == [float(price) for price in range(20, 40)]
    assert series.start[0] == np.datetime64("2024-01-01T01:40")
    assert not series.gap.any()


def test_repeated_hour_of_new_york_that_is_missing_is_a_gap(tmp_path: Path) -> None:
    midnight = datetime(2024, 11, 3, tzinfo=files.NEW_YORK)
    rows = files.nyiso_rows(midnight, [float(price) for price in range(25 * 12)], end=False)
    file = files.write(tmp_path / "x.csv", files.NYISO_HEADER, rows[:24] + rows[36:])
    with pytest.raises(DataError, match="row 26: a gap of 12 .* between 2024-11-03 01:55:00 .* and 2024-11-03 02:00"):
        files.read("nyiso", file, stamps="start")
    series = files.read("nyiso", file, stamps="start", gaps="split")
    assert np.flatnonzero(series.gap).tolist() == list(range(24, 36))


def rows_of(prices: np.ndarray) -> Rows:
    """Return 5-minute rows with the prices, which may be NaN."""
    start = np.datetime64("2024-01-01", "s") + np.timedelta64(300, "s") * np.arange(len(prices))
    frame = pd.DataFrame({"file": 0, "row": np.arange(len(prices)) + 2, "stamp": start, "price": prices})
    return Rows(files=[Path("x.csv")], frame=frame, utc=start)


@settings(max_examples=40)
@given(
    prices=st.lists(st.one_of(st.just(NAN), st.floats(-1000, 17500)), min_size=2, max_size=40),
    cut=st.integers(1, 39),
    gaps=st.sampled_from(["fill", "split", "fill_or_split"]),
)
def test_filled_values_do_not_depend_on_later_values(prices: list[float], cut: int, gaps: str) -> None:
    whole = np.array([1.0, *prices])
    early = whole[: min(cut, len(whole))]
    full = put_on_grid(rows_of(whole), 300, gaps, 1e6)
    part = put_on_grid(rows_of(early), 300, gaps, 1e6)
    np.testing.assert_array_equal(full.values["price"][: len(early)], part.values["price"])
    np.testing.assert_array_equal(full.gap[: len(early)], part.gap)
    np.testing.assert_array_equal(full.filled[: len(early)], part.filled)
    assert not (full.filled & full.gap).any()
    assert np.isfinite(full.values["price"]).all()
