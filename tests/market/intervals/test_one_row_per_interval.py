"""One row per interval: overlaps and repeated rows count once, and rows with different values are refused."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from battery_lab.common.errors import DataError
from tests.market import operator_files as files

NIGHT = datetime(2024, 1, 1, tzinfo=UTC)
BERLIN = {"time_zone": "Europe/Berlin", "currency": "EUR"}
PRICES = [float(price) for price in range(20)]


def test_rows_that_files_share_count_once(tmp_path: Path) -> None:
    rows = files.aemo_rows(NIGHT, PRICES)
    files.write(tmp_path / "january.csv", files.AEMO_HEADER, rows[:15])
    files.write(tmp_path / "february.csv", files.AEMO_HEADER, rows[8:])
    series = files.read("aemo", tmp_path)
    assert series.price.tolist() == PRICES
    assert "february.csv: left out: repeated rows with the same values (7)" in series.notes


def test_a_row_that_stands_twice_counts_once(tmp_path: Path) -> None:
    rows = files.aemo_rows(NIGHT, PRICES)
    file = files.write(tmp_path / "x.csv", files.AEMO_HEADER, [*rows[:10], rows[4], *rows[10:], rows[-1]])
    series = files.read("aemo", file)
    assert series.price.tolist() == PRICES
    assert "x.csv: left out: repeated rows with the same values (2)" in series.notes


def test_rows_with_another_value_in_any_column_are_refused(tmp_path: Path) -> None:
    rows = files.aemo_rows(NIGHT, PRICES)
    files.write(tmp_path / "a.csv", files.AEMO_HEADER, rows)
    files.write(tmp_path / "b.csv", files.AEMO_HEADER, [rows[7].replace(",5007.0,", ",4999.0,")])
    with pytest.raises(DataError, match=r"b.csv, row 2: .* row 9 of .*a.csv, with another demand_mw \(4999 here, 5007"):
        files.read("aemo", tmp_path)
    files.write(tmp_path / "b.csv", files.AEMO_HEADER, [rows[7].replace(",7.0,", ",,")])
    with pytest.raises(DataError, match=r"with another price \(nan here, 7 there\)"):
        files.read("aemo", tmp_path)


def test_files_may_fill_each_others_gaps(tmp_path: Path) -> None:
    rows = files.aemo_rows(NIGHT, PRICES)
    files.write(tmp_path / "odd.csv", files.AEMO_HEADER, rows[1::2])
    files.write(tmp_path / "even.csv", files.AEMO_HEADER, rows[::2])
    assert files.read("aemo", tmp_path).price.tolist() == PRICES


def test_files_that_overlap_in_the_repeated_hour_are_told_apart_by_their_own_order(tmp_path: Path) -> None:
    evening = datetime(2024, 11, 2, 22, tzinfo=files.NEW_YORK)
    rows = files.nyiso_rows(evening, [float(price) for price in range(96)])
    whole = files.read("nyiso", files.write(tmp_path / "whole.csv", files.NYISO_HEADER, rows))
    files.write(tmp_path / "two" / "a.csv", files.NYISO_HEADER, rows[:80])
    files.write(tmp_path / "two" / "b.csv", files.NYISO_HEADER, rows[20:])
    assert files.read("nyiso", tmp_path / "two").digest == whole.digest
