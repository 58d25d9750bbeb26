"""Row order: newest-first files, overlaps, superseded rows and rows of several files give one row per interval."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from battery_lab.common.errors import DataError
from tests.market import operator_files as files

NIGHT = datetime(2024, 1, 1, tzinfo=UTC)
BERLIN = {"time_zone": "Europe/Berlin", "currency": "EUR"}
PRICES = [float(price) for price in range(20)]


def test_newest_first_files_are_turned_round(tmp_path: Path) -> None:
    rows = files.aemo_rows(NIGHT, PRICES)
    files.write(tmp_path / "a.csv", files.AEMO_HEADER, rows[:10][::-1])
    files.write(tmp_path / "b.csv", files.AEMO_HEADER, rows[10:][::-1])
    series = files.read("aemo", tmp_path)
    assert series.price.tolist() == PRICES
    assert series.notes == ("a.csv and 1 more file: newest rows first, which are turned round",)


def test_a_newest_first_file_keeps_the_passes_of_the_repeated_hour_apart(tmp_path: Path) -> None:
    midnight = datetime(2024, 11, 3, tzinfo=files.NEW_YORK)
    rows = files.nyiso_rows(midnight, [float(price) for price in range(25 * 12)])
    oldest = files.read("nyiso", files.write(tmp_path / "a.csv", files.NYISO_HEADER, rows))
    newest = files.read("nyiso", files.write(tmp_path / "b.csv", files.NYISO_HEADER, rows[::-1]))
    assert newest.digest == oldest.digest


def test_a_file_in_disorder_is_refused_in_either_direction(tmp_path: Path) -> None:
    rows = files.aemo_rows(NIGHT, PRICES)
    for swapped in ([*rows[:5], rows[6], rows[5], *rows[7:]], [*rows[::-1][:5], rows[13], rows[14], *rows[::-1][7:]]):
        file = files.write(tmp_path / "x.csv", files.AEMO_HEADER, swapped)
        with pytest.raises(DataError, match="the rows are not in order of time: .*Sort the rows by time"):
            files.read("aemo", file)


def test_rows_that_files_share_count_once(tmp_path: Path) -> None:
    rows = files.aemo_rows(NIGHT, PRICES)
    files.write(tmp_path / "january.csv", files.AEMO_HEADER, rows[:15])
    files.write(tmp_path / "february.csv", files.AEMO_HEADER, rows[8:])
    series = files.read("aemo", tmp_path)
    assert series.price.tolist() == PRICES
    assert "february.csv: left out: rows that stand elsewhere with the same values (7)" in series.notes


def test_a_row_that_stands_twice_counts_once(tmp_path: Path) -> None:
    rows = files.aemo_rows(NIGHT, PRICES)
    file = files.write(tmp_path / "x.csv", files.AEMO_HEADER, [*rows[:10], rows[4], *rows[10:], rows[-1]])
    series = files.read("aemo", file)
    assert series.price.tolist() == PRICES
    assert "x.csv: left out: rows that stand elsewhere with the same values (2)" in series.notes


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


def versions(folder: Path, *columns: str, header: str = "version") -> Path:
    """Write five hours, of which the third has one row for each version, newer ones with a higher price."""
    stamps = [NIGHT + timedelta(hours=hour) for hour in range(5)]
    rows = []
    for hour, stamp in enumerate(stamps):
        for number, column in enumerate(columns if hour == 2 else columns[:1]):
            rows.append(f"{stamp:%Y-%m-%dT%H:%MZ},{hour + 100 * number},{column}")
    return files.write(folder / "x.csv", f"timestamp,price,{header}", rows)


@pytest.mark.parametrize(
    "columns",
    [
        ("1", "2"),
        ("9", "10"),
        ("", "0"),
        ("False", "True"),
        ("N", "Y"),
        ("2024-01-02 00:00", "2024-01-10 00:00"),
        ("2024/01/02 09:00:00", "2024/01/02 10:00:00"),
        ("9/30/2024 1:00:00 PM", "10/1/2024 1:00:00 AM"),
        ("2024-01-02T00:00+01:00", "2024-01-02T00:00Z"),
    ],
)
def test_the_newest_version_of_a_row_counts(tmp_path: Path, columns: tuple[str, ...]) -> None:
    file = versions(tmp_path, *columns)
    with pytest.raises(
        DataError, match=r"already exists in row 4, with another price \(102 here, 2 there\).*newest_by"
    ):
        files.read("table", file, **BERLIN)
    series = files.read("table", file, newest_by="Version", **BERLIN)
    assert series.price.tolist() == [0, 1, 102, 3, 4]
    assert "x.csv: left out: superseded rows (1)" in series.notes


def test_versions_may_be_in_different_files_and_any_market(tmp_path: Path) -> None:
    header = f"{files.AEMO_HEADER},LASTCHANGED"
    rows = files.aemo_rows(NIGHT, PRICES)
    files.write(
        tmp_path / "new.csv", header, [f"{row.replace('.0,TRADE', '.5,TRADE')},2024-02-01" for row in rows[5:9]]
    )
    files.write(tmp_path / "old.csv", header, [f"{row},2024-01-01" for row in rows])
    series = files.read("aemo", tmp_path, newest_by="LASTCHANGED")
    assert series.price.tolist() == [price + 0.5 * (5 <= price < 9) for price in PRICES]


def test_a_version_that_has_no_order_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="row 2: version is 'final', which is no number, true or false, or time"):
        files.read("table", versions(tmp_path, "final", "draft"), newest_by="version", **BERLIN)
    with pytest.raises(
        DataError, match="there is no column revision, only timestamp, price, version. Correct market.new"
    ):
        files.read("table", versions(tmp_path, "1", "2"), newest_by="revision", **BERLIN)
    with pytest.raises(DataError, match=r"row 5: .* with another price \(102 here, 2 there\)"):
        files.read("table", versions(tmp_path, "1", "1"), newest_by="version", **BERLIN)


def test_a_newer_version_in_a_repeated_hour_needs_utc(tmp_path: Path) -> None:
    stamps = ["00:00", "01:00", "02:00", "02:00", "02:00", "03:00"]
    rows = [f"2024-10-27 {stamp},{i},{2 if i == 3 else 1}" for i, stamp in enumerate(stamps)]
    file = files.write(tmp_path / "x.csv", "timestamp,price,version", rows)
    with pytest.raises(DataError, match="row 4: rows of several versions in an hour that Europe/Berlin repeats"):
        files.read("table", file, newest_by="version", **BERLIN)


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
