"""Errors in files: one message with the file, the row, the problem and the remedy."""

from __future__ import annotations

import gzip
import re
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from battery_lab.common.errors import DataError
from tests.market import operator_files as files

NIGHT = datetime(2024, 1, 1, tzinfo=UTC)
PRICES = [float(price) for price in range(20)]
BERLIN = {"time_zone": "Europe/Berlin", "currency": "EUR"}


def check_error(option: str, path: Path | str, *words: str, **changes: Any) -> None:
    """Check that reading raises a DataError that contains all the words."""
    with pytest.raises(DataError) as caught:
        files.read(option, path, **changes)
    for word in words:
        assert re.search(word, str(caught.value)), f"{word!r} is not in: {caught.value}"


def aemo(folder: Path, change: Callable[[list[str]], list[str]]) -> Path:
    return files.write(folder / "x.csv", files.AEMO_HEADER, change(files.aemo_rows(NIGHT, PRICES)))


def table(folder: Path, *lines: str, header: str = "timestamp,price") -> Path:
    return files.write(folder / "x.csv", header, lines)


def test_missing_file(tmp_path: Path) -> None:
    check_error("aemo", tmp_path / "none.csv", "market.path=.*none.csv", "no such file, folder or glob", "Correct")


def test_folder_without_files(tmp_path: Path) -> None:
    check_error("nyiso", tmp_path, "the folder has no price files, which end in .csv, .csv.gz")


def test_file_of_a_kind_that_is_not_read(tmp_path: Path) -> None:
    for name in ("a.7z", "a.tar.gz", "a.feather", "a.pdf"):
        (tmp_path / name).write_bytes(b"PK")
        check_error("caiso", tmp_path / name, f"{name} is no file that ends in .csv", "Unpack archives")


def test_empty_file(tmp_path: Path) -> None:
    (tmp_path / "a.csv").touch()
    check_error("aemo", tmp_path, "a.csv is empty", "Download it again")


def test_file_with_a_header_only(tmp_path: Path) -> None:
    files.write(tmp_path / "a.csv", files.AEMO_HEADER, [])
    check_error("aemo", tmp_path, "no rows", "Use files")
    check_error("caiso", files.write(tmp_path / "b.csv", files.CAISO_HEADER.format(price="MW"), []), "no rows")
    check_error("table", files.write(tmp_path / "c.csv", "timestamp,price", []), "no rows", **BERLIN)


def test_truncated_gzip(tmp_path: Path) -> None:
    packed = gzip.compress(b"timestamp,price\n2024-01-01 00:00,1\n" * 50)
    (tmp_path / "a.csv.gz").write_bytes(packed[: len(packed) - 9])
    check_error("table", tmp_path, "a.csv.gz cannot be read", "Download it again", **BERLIN)


def test_text_file_with_a_parquet_name(tmp_path: Path) -> None:
    (tmp_path / "a.parquet").write_text("timestamp,price")
    check_error("table", tmp_path, "a.parquet is not a complete table", "Download it again", **BERLIN)


def test_file_that_is_not_text(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(b"REGION,\x00\x01\x00\x00\n")
    check_error("aemo", tmp_path, "a.csv cannot be read: it is not text", "Download")


@pytest.mark.parametrize("every", [True, False])
def test_rows_longer_than_the_header_from_decimal_commas(tmp_path: Path, every: bool) -> None:
    lines = ["2024-01-01 00:00,1,5" if i == 3 or every else "2024-01-01 00:00,1" for i in range(6)]
    check_error("table", table(tmp_path, *lines), "x.csv is not a complete table", "correct that row", **BERLIN)


@pytest.mark.parametrize(
    ("option", "kind"), [("aemo", "PRICE_AND_DEMAND"), ("nyiso", "NYISO"), ("caiso", "OASIS"), ("ercot", "ERCOT")]
)
def test_file_of_another_operator(tmp_path: Path, option: str, kind: str) -> None:
    file = table(tmp_path, "2024-01-01,1")
    check_error(option, file, "x.csv, row 1: there is no column", "only timestamp, price", f"must name .*{kind}")


def test_column_that_the_table_does_not_have(tmp_path: Path) -> None:
    file = table(tmp_path, "2024-01-01 00:00,1", header="time,eur")
    check_error("table", file, "row 1: there is no column 'timestamp', only time, eur", "market.timestamp=", **BERLIN)
    words = ("no column 'wind'", "market.columns.wind_mw=")
    options = {"timestamp": "time", "price": "eur", "columns.wind_mw": "wind"}
    check_error("table", file, *words, **BERLIN, **options)


def test_several_regions_in_one_file(tmp_path: Path) -> None:
    rows = files.aemo_rows(NIGHT, PRICES) + files.aemo_rows(NIGHT, PRICES, region="NSW1")
    file = files.write(tmp_path / "x.csv", files.AEMO_HEADER, rows)
    check_error("aemo", file, "x.csv, row 22: a second region begins: VIC1, NSW1", "Choose one with market.region=")


def test_several_regions_in_one_folder(tmp_path: Path) -> None:
    for region in ("VIC1", "NSW1"):
        files.write(tmp_path / f"{region}.csv", files.AEMO_HEADER, files.aemo_rows(NIGHT, PRICES, region=region))
    check_error("aemo", tmp_path, "VIC1.csv, row 2: a second region begins: NSW1, VIC1", "market.region=")
    check_error("aemo", tmp_path, "market.region=QLD1: no row of", "only NSW1, VIC1", "Choose one", region="QLD1")


def test_several_zones_nodes_points_or_market_runs_in_one_file(tmp_path: Path) -> None:
    rows = files.nyiso_rows(NIGHT, PRICES) + files.nyiso_rows(NIGHT, PRICES, zone="WEST")
    file = files.write(tmp_path / "n.csv", files.NYISO_HEADER, rows)
    check_error("nyiso", file, "n.csv, row 22: a second zone", "zone=")
    rows = files.caiso_rows(NIGHT, PRICES) + files.caiso_rows(NIGHT, PRICES, run="DAM")
    file = files.write(tmp_path / "c.csv", files.CAISO_HEADER.format(price="MW"), rows)
    check_error("caiso", file, "c.csv, row 42: a second market run begins: RTM, DAM", "market.market_run=")
    rows = files.ercot_rows(NIGHT, PRICES, "LZ_WEST", "LZ") + files.ercot_rows(NIGHT, PRICES, "LZ_WEST", "LZEW")
    file = files.write(tmp_path / "e.csv", files.ERCOT_HEADER, rows)
    words = ("e.csv, row 22: a second settlement point type begins: LZ, LZEW", "market.settlement_point_type=")
    check_error("ercot", file, *words, settlement_point="LZ_WEST")


def test_prices_that_are_not_settled(tmp_path: Path) -> None:
    file = aemo(tmp_path, lambda rows: [*rows[:3], rows[3].replace("TRADE", "PREDISPATCH"), *rows[4:]])
    check_error("aemo", file, "x.csv, row 5: PERIODTYPE is 'PREDISPATCH', not TRADE", "remove such rows")
    file = aemo(tmp_path, lambda rows: [*rows[:3], rows[3][:30]])
    check_error("aemo", file, "x.csv, row 5: PERIODTYPE is '', not TRADE: an incomplete row", "remove such rows")


def test_file_with_price_components_only(tmp_path: Path) -> None:
    rows = files.caiso_rows(NIGHT, PRICES, parts=("MCC", "MCL"))
    file = files.write(tmp_path / "x.csv", files.CAISO_HEADER.format(price="MW"), rows)
    check_error("caiso", file, "market.path=.*x.csv: no rows of prices with LMP_TYPE LMP. Use files that have them")


@pytest.mark.parametrize(
    "stamp", ["", "31/01/2024 00:05:00", "2024/02/30 00:05:00", "2024/0", "0001/01/01 00:00:00", "2200/01/01 00:00:00"]
)
def test_invalid_time_stamp(tmp_path: Path, stamp: str) -> None:
    file = aemo(tmp_path, lambda rows: [*rows[:4], f"VIC1,{stamp},1,1,TRADE", *rows[5:]])
    words = (f"x.csv, row 6: the time stamp is '{stamp}'", "not a time such as 2022/01/01 00:05:00", "Correct the row")
    check_error("aemo", file, *words)


@pytest.mark.parametrize("cell", ["1e999", "inf", "cheap", "1.2.3", "--", "5 %", "1 2"])
def test_price_that_is_not_a_finite_number(tmp_path: Path, cell: str) -> None:
    file = table(tmp_path, "2024-01-01 00:00,1", "", f"2024-01-01 00:05,{cell}", "2024-01-01 00:10,1")
    words = ("x.csv, row 4: price is '.*', which is not a finite number", "Correct the file")
    check_error("table", file, *words, **BERLIN)


def test_parquet_column_without_numbers(tmp_path: Path) -> None:
    stamps = pd.date_range("2024-01-01", periods=3, freq="5min")
    for price in ([True, False, True], list(stamps)):
        pd.DataFrame({"timestamp": stamps, "price": price}).to_parquet(tmp_path / "a.parquet")
        check_error("table", tmp_path, "a.parquet, row 1: price is .* not a finite number", **BERLIN)


def test_rows_out_of_order(tmp_path: Path) -> None:
    file = aemo(tmp_path, lambda rows: [*rows[:3], rows[4], rows[3], *rows[5:]])
    words = ("x.csv, row 6: the rows are not in order of time", "10:20:00 comes after 2024-01-01 10:25:00 in row 5")
    check_error("aemo", file, *words, "Sort the rows by time, oldest or newest first")


def test_duplicate_row_with_another_price(tmp_path: Path) -> None:
    file = aemo(tmp_path, lambda rows: [*rows[:10], rows[4].replace(",4.0,", ",5.5,"), *rows[10:]])
    words = ("x.csv, row 12: .* 2024-01-01 10:25:00 already exists in row 6, with another price", "5.5 here, 4 there")
    check_error("aemo", file, *words, "Keep one of the two", "market.newest_by")


def test_overlapping_files_that_differ(tmp_path: Path) -> None:
    for name, first in {"january.csv": 0.0, "january (1).csv": 9.0}.items():
        files.write(tmp_path / name, files.AEMO_HEADER, files.aemo_rows(NIGHT, [first, *PRICES[1:]]))
    words = ("january.csv, row 2: .* already exists in row 2 of .*january \\(1\\).csv", "files overlap: keep one")
    check_error("aemo", tmp_path, *words)


def test_thirty_minute_file_before_a_five_minute_file(tmp_path: Path) -> None:
    files.write(tmp_path / "old.csv", files.AEMO_HEADER, files.aemo_rows(NIGHT, PRICES, 30))
    files.write(tmp_path / "new.csv", files.AEMO_HEADER, files.aemo_rows(NIGHT.replace(hour=10), PRICES * 2))
    words = ("old.csv, row 3: wrong interval: 30 minutes from 2024-01-01 10:30:00", "5 elsewhere", "2021-10-01")
    check_error("aemo", tmp_path, *words)


def test_five_minute_file_after_a_thirty_minute_file(tmp_path: Path) -> None:
    files.write(tmp_path / "old.csv", files.AEMO_HEADER, files.aemo_rows(NIGHT, PRICES * 2, 30))
    files.write(tmp_path / "new.csv", files.AEMO_HEADER, files.aemo_rows(NIGHT.replace(hour=20), PRICES[:9]))
    words = ("new.csv, row 2: wrong interval: 5 minutes from", "30 elsewhere", "files with one interval length")
    check_error("aemo", tmp_path, *words)


def test_step_that_is_not_a_multiple_of_the_interval(tmp_path: Path) -> None:
    file = table(tmp_path, *[f"2024-01-01 00:{minute:02d},1" for minute in (0, 5, 12, 17, 22)])
    words = ("x.csv, row 4: wrong interval: 7 minutes from 2024-01-01 00:05:00", "5 elsewhere")
    check_error("table", file, *words, **BERLIN)


def test_interval_that_differs_from_the_option(tmp_path: Path) -> None:
    file = aemo(tmp_path, lambda rows: rows)
    words = ("x.csv, row 3: wrong interval: 5 minutes", "15 by market.interval_minutes", "null detects it")
    check_error("aemo", file, *words, interval_minutes=15)


@pytest.mark.parametrize("step", ["1min", "7min", "2h", "1D"])
def test_interval_that_is_not_supported(tmp_path: Path, step: str) -> None:
    stamps = pd.date_range("2024-01-01", periods=5, freq=step)
    file = table(tmp_path, *[f"{stamp},1" for stamp in stamps])
    check_error("table", file, "x.csv, row 3: wrong interval: the stamps are .* minutes apart", "Resample", **BERLIN)


def test_single_row_has_no_interval(tmp_path: Path) -> None:
    file = table(tmp_path, "2024-01-01 00:00,1")
    check_error("table", file, "row 2: this is the only row", "interval_minutes", **BERLIN)


def test_new_york_rows_between_two_intervals(tmp_path: Path) -> None:
    rows = files.nyiso_rows(NIGHT, PRICES)
    rows.insert(1, rows[1].replace(":10:00", ":07:18"))
    file = files.write(tmp_path / "x.csv", files.NYISO_HEADER, rows)
    check_error("nyiso", file, "x.csv, row 3: the stamp 2023-12-31 19:07:18 is not on a whole", "market.off_grid=drop")


def test_local_time_that_daylight_saving_skips(tmp_path: Path) -> None:
    file = table(tmp_path, "2024-03-31 01:00,1", "2024-03-31 02:00,1", "2024-03-31 03:00,1")
    words = ("x.csv, row 3: 2024-03-31 02:00:00 does not exist in Europe/Berlin", "Correct market.time_zone", "GMT")
    check_error("table", file, *words, **BERLIN)


def test_flag_outside_the_repeated_hour(tmp_path: Path) -> None:
    rows = files.ercot_rows(datetime(2024, 7, 1, tzinfo=UTC), PRICES)
    file = files.write(tmp_path / "x.csv", files.ERCOT_HEADER, [row.replace(",N", ",Y") for row in rows])
    check_error("ercot", file, "x.csv, row 2: .* flagged as a repeated hour, but America/Chicago", "market.time_zone")


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        (",N", ",", "DSTFlag or RepeatedHourFlag is ''"),
        (",1,HB", ",5,HB", "DeliveryInterval is '5', not a whole number from 1 to 4"),
        ("2024,1,", "2024,25,", "the hour is '25', not a whole number from 1 to 24"),
    ],
)
def test_invalid_hours_quarters_and_flags_of_texas(tmp_path: Path, old: str, new: str, problem: str) -> None:
    rows = files.ercot_rows(datetime(2024, 1, 1, tzinfo=files.TEXAS), PRICES)
    file = files.write(tmp_path / "x.csv", files.ERCOT_HEADER, [rows[0].replace(old, new), *rows[1:]])
    check_error("ercot", file, f"x.csv, row 2: {problem}", "Correct the row")


def test_stamps_with_and_without_an_offset(tmp_path: Path) -> None:
    file = table(tmp_path, "2024-01-01 00:00Z,1", "2024-01-01 01:00,1", "2024-01-01 02:00Z,1")
    check_error("table", file, "x.csv, row 3: .* has no UTC offset", "Give all stamps an offset, or none", **BERLIN)
    files.write(tmp_path / "a.csv", "timestamp,price", ["2024-01-01 00:00Z,1"])
    files.write(tmp_path / "x.csv", "timestamp,price", ["2024-01-01 01:00,1"])
    check_error("table", tmp_path, "a.csv and .*x.csv: only one has a UTC offset", "one format", **BERLIN)


@pytest.mark.parametrize("stamp", ["noon", "32.01.2024 00:00", "2024-01-01 25:00", "1.5"])
def test_stamps_in_no_known_format(tmp_path: Path, stamp: str) -> None:
    file = table(tmp_path, f"{stamp},1")
    check_error("table", file, f"row 2: the time stamp is '{stamp}'", "such as 2024-01", **BERLIN)
