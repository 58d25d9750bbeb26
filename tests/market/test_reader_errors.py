"""Each mistake in a file or an option ends in one message: which file and row, what is wrong, what to do."""

from __future__ import annotations

import gzip
import re
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from battery_lab.common.errors import ConfigError, DataError
from tests.market import operator_files as made

NIGHT = datetime(2024, 1, 1, tzinfo=UTC)
PRICES = [float(price) for price in range(20)]
BERLIN = {"time_zone": "Europe/Berlin", "currency": "EUR"}


def fails(option: str, path: Path | str, *words: str, **changes: Any) -> None:
    """Check that reading ends in a DataError that has all the words."""
    with pytest.raises(DataError) as caught:
        made.read(option, path, **changes)
    for word in words:
        assert re.search(word, str(caught.value)), f"{word!r} is not in: {caught.value}"


def aemo(folder: Path, change: Callable[[list[str]], list[str]]) -> Path:
    return made.write(folder / "x.csv", made.AEMO_HEADER, change(made.aemo_rows(NIGHT, PRICES)))


def table(folder: Path, *lines: str, header: str = "timestamp,price") -> Path:
    return made.write(folder / "x.csv", header, lines)


def test_no_such_file(tmp_path: Path) -> None:
    fails("aemo", tmp_path / "none.csv", "market.path=.*none.csv", "no such file, folder or glob", "Correct")


def test_a_folder_without_files(tmp_path: Path) -> None:
    fails("nyiso", tmp_path, "the folder has no .csv or .csv.gz file", "Unpack")


def test_an_archive_that_is_not_unpacked(tmp_path: Path) -> None:
    (tmp_path / "a.zip").write_bytes(b"PK")
    fails("caiso", tmp_path / "a.zip", "a.zip is no .csv", "Unpack archives")


def test_an_empty_file(tmp_path: Path) -> None:
    (tmp_path / "a.csv").touch()
    fails("aemo", tmp_path, "a.csv is empty", "Download it again")


def test_a_file_of_a_header_alone(tmp_path: Path) -> None:
    made.write(tmp_path / "a.csv", made.AEMO_HEADER, [])
    fails("aemo", tmp_path, "no rows", "Give files")
    fails("caiso", made.write(tmp_path / "b.csv", made.CAISO_HEADER.format(price="MW"), []), "no rows")
    fails("table", made.write(tmp_path / "c.csv", "timestamp,price", []), "no rows", **BERLIN)


def test_a_gzip_that_was_cut_off(tmp_path: Path) -> None:
    packed = gzip.compress(b"timestamp,price\n2024-01-01 00:00,1\n" * 50)
    (tmp_path / "a.csv.gz").write_bytes(packed[: len(packed) - 9])
    fails("table", tmp_path, "a.csv.gz cannot be read", "Download it again", **BERLIN)


def test_a_parquet_that_is_none(tmp_path: Path) -> None:
    (tmp_path / "a.parquet").write_text("timestamp,price")
    fails("table", tmp_path, "a.parquet is not a whole table", "Download it again", **BERLIN)


def test_bytes_that_are_no_text(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(b"REGION,\xff\xfe\n")
    fails("aemo", tmp_path, "a.csv cannot be read", "Download")


@pytest.mark.parametrize("every", [True, False])
def test_rows_longer_than_the_header_as_a_decimal_comma_makes_them(tmp_path: Path, every: bool) -> None:
    lines = ["2024-01-01 00:00,1,5" if i == 3 or every else "2024-01-01 00:00,1" for i in range(6)]
    fails("table", table(tmp_path, *lines), "x.csv is not a whole table", "correct that row", **BERLIN)


@pytest.mark.parametrize(
    ("option", "kind"), [("aemo", "PRICE_AND_DEMAND"), ("nyiso", "NYISO"), ("caiso", "OASIS"), ("ercot", "ERCOT")]
)
def test_another_operators_file(tmp_path: Path, option: str, kind: str) -> None:
    file = table(tmp_path, "2024-01-01,1")
    fails(option, file, "x.csv, row 1: there is no column", "only timestamp, price", f"must name .*{kind}")


def test_a_column_that_the_table_has_not(tmp_path: Path) -> None:
    file = table(tmp_path, "2024-01-01 00:00,1", header="time,eur")
    fails("table", file, "row 1: there is no column 'timestamp', only time, eur", "market.timestamp=", **BERLIN)
    words = ("no column 'wind'", "market.columns.wind_mw=")
    options = {"timestamp": "time", "price": "eur", "columns.wind_mw": "wind"}
    fails("table", file, *words, **BERLIN, **options)


def test_several_regions_in_one_file(tmp_path: Path) -> None:
    rows = made.aemo_rows(NIGHT, PRICES) + made.aemo_rows(NIGHT, PRICES, region="NSW1")
    file = made.write(tmp_path / "x.csv", made.AEMO_HEADER, rows)
    fails("aemo", file, "x.csv, row 22: a second region begins: VIC1, NSW1", "Choose one with market.region=")


def test_several_regions_in_one_folder(tmp_path: Path) -> None:
    for region in ("VIC1", "NSW1"):
        made.write(tmp_path / f"{region}.csv", made.AEMO_HEADER, made.aemo_rows(NIGHT, PRICES, region=region))
    fails("aemo", tmp_path, "VIC1.csv, row 2: a second region begins: NSW1, VIC1", "market.region=")
    fails("aemo", tmp_path, "market.region=QLD1: no row of", "there are NSW1, VIC1", "Choose one", region="QLD1")


def test_several_zones_nodes_points_or_market_runs(tmp_path: Path) -> None:
    rows = made.nyiso_rows(NIGHT, PRICES) + made.nyiso_rows(NIGHT, PRICES, zone="WEST")
    fails("nyiso", made.write(tmp_path / "n.csv", made.NYISO_HEADER, rows), "n.csv, row 22: a second zone", "zone=")
    rows = made.caiso_rows(NIGHT, PRICES) + made.caiso_rows(NIGHT, PRICES, run="DAM")
    file = made.write(tmp_path / "c.csv", made.CAISO_HEADER.format(price="MW"), rows)
    fails("caiso", file, "c.csv, row 42: a second market run begins: RTM, DAM", "market.market_run=")
    rows = made.ercot_rows(NIGHT, PRICES, "LZ_WEST", "LZ") + made.ercot_rows(NIGHT, PRICES, "LZ_WEST", "LZEW")
    file = made.write(tmp_path / "e.csv", made.ERCOT_HEADER, rows)
    words = ("e.csv, row 22: a second settlement point type begins: LZ, LZEW", "market.settlement_point_type=")
    fails("ercot", file, *words, settlement_point="LZ_WEST")


def test_prices_that_were_not_settled(tmp_path: Path) -> None:
    file = aemo(tmp_path, lambda rows: [*rows[:3], rows[3].replace("TRADE", "PREDISPATCH"), *rows[4:]])
    fails("aemo", file, "x.csv, row 5: PERIODTYPE is 'PREDISPATCH', not TRADE", "take such rows out")
    file = aemo(tmp_path, lambda rows: [*rows[:3], rows[3][:30]])
    fails("aemo", file, "x.csv, row 5: PERIODTYPE is '', not TRADE: a row that was cut off", "take such rows out")


def test_a_price_file_without_the_price_itself(tmp_path: Path) -> None:
    rows = made.caiso_rows(NIGHT, PRICES, parts=("MCC", "MCL"))
    file = made.write(tmp_path / "x.csv", made.CAISO_HEADER.format(price="MW"), rows)
    fails("caiso", file, "market.path=.*x.csv: no rows with LMP_TYPE LMP. Give files that have them")


@pytest.mark.parametrize(
    "stamp", ["", "31/01/2024 00:05:00", "2024/02/30 00:05:00", "2024/0", "0001/01/01 00:00:00", "2200/01/01 00:00:00"]
)
def test_a_stamp_that_is_no_time(tmp_path: Path, stamp: str) -> None:
    file = aemo(tmp_path, lambda rows: [*rows[:4], f"VIC1,{stamp},1,1,TRADE", *rows[5:]])
    words = (f"x.csv, row 6: the time stamp is '{stamp}'", "not a time such as 2022/01/01 00:05:00", "Correct the row")
    fails("aemo", file, *words)


@pytest.mark.parametrize("cell", ["1e999", "inf", "cheap", '"1,234.5"', "--"])
def test_a_price_that_is_no_finite_number(tmp_path: Path, cell: str) -> None:
    file = table(tmp_path, "2024-01-01 00:00,1", "", f"2024-01-01 00:05,{cell}", "2024-01-01 00:10,1")
    fails("table", file, "x.csv, row 4: price is '.*', which is not a finite number", "Correct the file", **BERLIN)


def test_a_parquet_column_that_holds_no_numbers(tmp_path: Path) -> None:
    stamps = pd.date_range("2024-01-01", periods=3, freq="5min")
    for price in ([True, False, True], list(stamps)):
        pd.DataFrame({"timestamp": stamps, "price": price}).to_parquet(tmp_path / "a.parquet")
        fails("table", tmp_path, "a.parquet, row 1: price is .* not a finite number", **BERLIN)


def test_rows_that_are_not_in_order(tmp_path: Path) -> None:
    file = aemo(tmp_path, lambda rows: [*rows[:3], rows[4], rows[3], *rows[5:]])
    words = ("x.csv, row 6: the rows are not in order of time", "10:20:00 comes after 2024-01-01 10:25:00 in row 5")
    fails("aemo", file, *words, "Sort the rows by time")


def test_a_row_that_is_there_twice(tmp_path: Path) -> None:
    file = aemo(tmp_path, lambda rows: [*rows[:10], rows[4], *rows[10:]])
    fails("aemo", file, "x.csv, row 12: .* 2024-01-01 10:25:00 is there already in row 6", "Keep one of the two")


def test_files_that_overlap_even_where_they_agree(tmp_path: Path) -> None:
    for name in ("january.csv", "january (1).csv"):
        made.write(tmp_path / name, made.AEMO_HEADER, made.aemo_rows(NIGHT, PRICES))
    words = ("january.csv, row 2: .* is there already in row 2 of .*january \\(1\\).csv", "files overlap: keep one")
    fails("aemo", tmp_path, *words)


def test_thirty_minutes_before_five(tmp_path: Path) -> None:
    made.write(tmp_path / "old.csv", made.AEMO_HEADER, made.aemo_rows(NIGHT, PRICES, 30))
    made.write(tmp_path / "new.csv", made.AEMO_HEADER, made.aemo_rows(NIGHT.replace(hour=10), PRICES * 2))
    words = ("old.csv, row 3: wrong interval: 30 minutes from 2024-01-01 10:30:00", "5 elsewhere", "2021-10-01")
    fails("aemo", tmp_path, *words)


def test_five_minutes_after_thirty(tmp_path: Path) -> None:
    made.write(tmp_path / "old.csv", made.AEMO_HEADER, made.aemo_rows(NIGHT, PRICES * 2, 30))
    made.write(tmp_path / "new.csv", made.AEMO_HEADER, made.aemo_rows(NIGHT.replace(hour=20), PRICES[:9]))
    fails("aemo", tmp_path, "new.csv, row 2: wrong interval: 5 minutes from", "30 elsewhere", "files of one interval")


def test_a_single_step_that_is_no_whole_number_of_intervals(tmp_path: Path) -> None:
    file = table(tmp_path, *[f"2024-01-01 00:{minute:02d},1" for minute in (0, 5, 12, 17, 22)])
    fails("table", file, "x.csv, row 4: wrong interval: 7 minutes from 2024-01-01 00:05:00", "5 elsewhere", **BERLIN)


def test_an_interval_other_than_the_user_says(tmp_path: Path) -> None:
    file = aemo(tmp_path, lambda rows: rows)
    words = ("x.csv, row 3: wrong interval: 5 minutes", "15 by market.interval_minutes", "null finds it")
    fails("aemo", file, *words, interval_minutes=15)


@pytest.mark.parametrize("step", ["1min", "7min", "2h", "1D"])
def test_an_interval_that_the_lab_does_not_take(tmp_path: Path, step: str) -> None:
    stamps = pd.date_range("2024-01-01", periods=5, freq=step)
    file = table(tmp_path, *[f"{stamp},1" for stamp in stamps])
    fails("table", file, "x.csv, row 3: wrong interval: the stamps are .* minutes apart", "Resample", **BERLIN)


def test_a_single_row_without_an_interval(tmp_path: Path) -> None:
    fails("table", table(tmp_path, "2024-01-01 00:00,1"), "row 2: this is the only row", "interval_minutes", **BERLIN)


def test_rows_between_two_intervals_of_new_york(tmp_path: Path) -> None:
    rows = made.nyiso_rows(NIGHT, PRICES)
    rows.insert(1, rows[1].replace(":10:00", ":07:18"))
    file = made.write(tmp_path / "x.csv", made.NYISO_HEADER, rows)
    fails("nyiso", file, "x.csv, row 3: the stamp 2023-12-31 19:07:18 is not on a whole", "market.off_grid=drop")


def test_a_local_time_that_daylight_saving_skips(tmp_path: Path) -> None:
    file = table(tmp_path, "2024-03-31 01:00,1", "2024-03-31 02:00,1", "2024-03-31 03:00,1")
    words = ("x.csv, row 3: 2024-03-31 02:00:00 does not exist in Europe/Berlin", "Correct market.time_zone", "GMT")
    fails("table", file, *words, **BERLIN)


def test_a_flag_outside_the_repeated_hour(tmp_path: Path) -> None:
    rows = made.ercot_rows(datetime(2024, 7, 1, tzinfo=UTC), PRICES)
    file = made.write(tmp_path / "x.csv", made.ERCOT_HEADER, [row.replace(",N", ",Y") for row in rows])
    fails("ercot", file, "x.csv, row 2: .* flagged as a repeated hour, but America/Chicago", "market.time_zone")


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        (",N", ",", "DSTFlag is ''"),
        (",1,HB", ",5,HB", "DeliveryInterval is '5', not a whole number from 1 to 4"),
        ("2024,1,", "2024,25,", "the hour is '25', not a whole number from 1 to 24"),
    ],
)
def test_texan_hours_quarters_and_flags_that_are_none(tmp_path: Path, old: str, new: str, problem: str) -> None:
    rows = made.ercot_rows(datetime(2024, 1, 1, tzinfo=made.TEXAS), PRICES)
    file = made.write(tmp_path / "x.csv", made.ERCOT_HEADER, [rows[0].replace(old, new), *rows[1:]])
    fails("ercot", file, f"x.csv, row 2: {problem}", "Correct the row")


def test_stamps_with_and_without_an_offset(tmp_path: Path) -> None:
    file = table(tmp_path, "2024-01-01 00:00Z,1", "2024-01-01 01:00,1", "2024-01-01 02:00Z,1")
    fails("table", file, "x.csv, row 3: .* has no UTC offset", "Give all stamps an offset, or none", **BERLIN)
    made.write(tmp_path / "a.csv", "timestamp,price", ["2024-01-01 00:00Z,1"])
    made.write(tmp_path / "x.csv", "timestamp,price", ["2024-01-01 01:00,1"])
    fails("table", tmp_path, "a.csv and .*x.csv: only one has a UTC offset", "one form", **BERLIN)


@pytest.mark.parametrize("stamp", ["1704067200", "01/02/2024 00:00", "noon"])
def test_stamps_whose_form_would_have_to_be_guessed(tmp_path: Path, stamp: str) -> None:
    fails("table", table(tmp_path, f"{stamp},1"), f"row 2: the time stamp is '{stamp}'", "such as 2024-01", **BERLIN)


@pytest.mark.parametrize(
    ("option", "changes", "message"),
    [
        ("aemo", {"gaps": "ignore"}, "market.gaps must be one of .*refuse.*got 'ignore'"),
        ("aemo", {"max_gap_h": 0}, "market.max_gap_h must be more than 0 hours, got 0"),
        ("aemo", {"interval_minutes": 7}, "market.interval_minutes must be one of .*5.*60.*got 7"),
        ("aemo", {"currency": "dollars"}, "market.currency must be an ISO 4217 code.*got 'dollars'"),
        ("aemo", {"region": 1}, "market.region must be a name in the files, or null, got 1"),
        ("nyiso", {"time_zone": "Gotham"}, "market.time_zone must be an IANA time zone.*got 'Gotham'"),
        ("ercot", {"time_zone": None}, "market.time_zone must be an IANA time zone.*got None"),
        ("nyiso", {"stamps": "middle"}, "market.stamps must be one of .*start.*got 'middle'"),
        ("nyiso", {"off_grid": "round"}, "market.off_grid must be one of .*drop.*got 'round'"),
        ("table", BERLIN | {"stamps": "middle"}, "market.stamps must be one of"),
        ("table", BERLIN | {"stamp_time_zone": "here"}, "market.stamp_time_zone must be an IANA time zone"),
        ("table", BERLIN | {"columns.price": "p"}, "market.columns must have names .* other than .*got 'price'"),
        ("table", BERLIN | {"lead_h.wind_mw": 24}, "market.lead_h must name columns of market.columns.*got 'wind_mw'"),
        ("table", BERLIN | {"columns.a": "b", "lead_h.a": -1}, "market.lead_h.a must be 0 hours or more, got -1"),
    ],
)
def test_options_out_of_range_name_the_field_the_rule_and_the_value(
    option: str, changes: dict[str, Any], message: str
) -> None:
    # Hydra wraps what a target raises; the message stays.
    with pytest.raises(Exception, match=message) as caught:
        made.reader(option, "x.csv", **changes)
    assert isinstance(caught.value.__cause__ or caught.value, ConfigError)
