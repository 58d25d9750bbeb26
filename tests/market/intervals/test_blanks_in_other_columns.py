"""Blanks in other columns: a price stays, and ``market.gaps`` decides what stands in the column."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from battery_lab.common.errors import DataError
from tests.market import operator_files as files

NIGHT = datetime(2024, 1, 1, tzinfo=UTC)
BERLIN = {"time_zone": "Europe/Berlin", "currency": "EUR"}
PRICES = [float(price) for price in range(20)]


def test_a_blank_in_another_column_leaves_the_price_as_it_is(tmp_path: Path) -> None:
    rows = files.aemo_rows(NIGHT, PRICES)
    rows[5] = rows[5].replace(",5005.0,", ",,")
    file = files.write(tmp_path / "x.csv", files.AEMO_HEADER, rows)
    with pytest.raises(DataError, match="row 7: demand_mw missing .*market.gaps=fill"):
        files.read("aemo", file)
    for gaps in ("fill", "split", "fill_or_split"):
        series = files.read("aemo", file, gaps=gaps)
        assert series.price.tolist() == PRICES
        assert series.columns["demand_mw"][4:7].tolist() == [5004, 5004, 5006]
        assert not series.gap.any() and not series.is_filled.any()
        assert "demand_mw is missing in 1 intervals that have a price, and repeats its last value there" in series.notes


def test_a_long_blank_in_another_column_is_bounded_by_fill_only(tmp_path: Path) -> None:
    rows = [
        row.replace(f",{5000 + i}.0,", ",,") if 3 <= i < 18 else row
        for i, row in enumerate(files.aemo_rows(NIGHT, PRICES))
    ]
    file = files.write(tmp_path / "x.csv", files.AEMO_HEADER, rows)
    with pytest.raises(DataError, match=r"row 5: demand_mw missing .* the gap is 15 .*market.max_gap_h=1"):
        files.read("aemo", file, gaps="fill")
    series = files.read("aemo", file, gaps="split")
    assert series.columns["demand_mw"][:18].tolist() == [5000, 5001, *[5002] * 16]
    assert not series.gap.any()


def test_prices_before_the_first_value_of_a_column_are_left_out_with_a_note(tmp_path: Path) -> None:
    rows = [
        row.replace(f",{5000 + i}.0,", ",,") if i < 3 else row for i, row in enumerate(files.aemo_rows(NIGHT, PRICES))
    ]
    series = files.read("aemo", files.write(tmp_path / "x.csv", files.AEMO_HEADER, rows), gaps="split")
    assert series.start[0] == np.datetime64("2024-01-01T00:15")
    assert "3 prices before the first row with all values are left out" in series.notes
