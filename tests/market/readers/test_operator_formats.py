"""The meaning of each operator's files: the clock, the end of the interval that stamps mark, and the rows used."""

from __future__ import annotations

import gzip
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.market import operator_files as files

NIGHT = datetime(2024, 1, 1, tzinfo=UTC)


def test_aemo_stamps_mark_the_end_of_the_interval_in_utc_plus_10(tmp_path: Path) -> None:
    rows = ["VIC1,2022/01/01 00:05:00,5005.34,114.80,TRADE", "VIC1,2022/01/01 00:10:00,4979.22,-14.64,TRADE"]
    series = files.read("aemo", files.write(tmp_path / "PRICE_AND_DEMAND_202201_VIC1.csv", files.AEMO_HEADER, rows))
    assert list(series.start.astype(str)) == ["2021-12-31T14:00:00", "2021-12-31T14:05:00"]
    assert list(series.price) == [114.80, -14.64]
    assert list(series.columns["demand_mw"]) == [5005.34, 4979.22]
    assert (series.name, series.currency, series.time_zone) == ("VIC1", "AUD", "Australia/Melbourne")
    assert series.local_start[0].isoformat() == "2022-01-01T01:00:00+11:00"


def test_aemo_months_are_joined_regardless_of_file_name_and_date_format(tmp_path: Path) -> None:
    rows = files.aemo_rows(NIGHT, [1.0, 2.0, 3.0, 4.0, 5.0, 6.0])
    files.write(tmp_path / "z.csv", files.AEMO_HEADER.lower(), rows[:2])
    files.write(tmp_path / "m.CSV", "\ufeff" + files.AEMO_HEADER, [row.replace("/", "-") for row in rows[2:4]])
    files.write(tmp_path / "a.csv", files.AEMO_HEADER, [row.replace(":00,", ",", 1) for row in rows[4:]])
    (tmp_path / "notes.txt").write_text("not a price")
    assert list(files.read("aemo", tmp_path).price) == [1, 2, 3, 4, 5, 6]
    assert list(files.read("aemo", f"{tmp_path}/[mz].*").price) == [1, 2, 3, 4]


def test_region_is_selected_from_a_folder_of_several(tmp_path: Path) -> None:
    for region, price in {"VIC1": 1.0, "TAS1": 2.0}.items():
        files.write(tmp_path / f"{region}.csv", files.AEMO_HEADER, files.aemo_rows(NIGHT, [price] * 3, region=region))
    series = files.read("aemo", tmp_path, region="tas1")
    assert (series.name, series.time_zone, list(series.price)) == ("TAS1", "Australia/Hobart", [2, 2, 2])


def test_blank_lines_at_the_end_of_a_file_are_ignored(tmp_path: Path) -> None:
    file = files.write(tmp_path / "x.csv", files.AEMO_HEADER, [*files.aemo_rows(NIGHT, [1.0, 2.0]), "", "   ", ",,,,"])
    assert len(files.read("aemo", file)) == 2


@pytest.mark.parametrize(("day", "hours"), [((2024, 3, 10), 23), ((2024, 11, 3), 25), ((2024, 7, 1), 24)])
def test_day_in_new_york_has_23_24_or_25_hours(tmp_path: Path, day: tuple[int, int, int], hours: int) -> None:
    midnight = datetime(*day, tzinfo=files.NEW_YORK)
    file = files.write(tmp_path / "x.csv", files.NYISO_HEADER, files.nyiso_rows(midnight, list(range(12 * hours))))
    series = files.read("nyiso", file)
    assert series.local_start[0].isoformat()[:16] == f"{midnight:%Y-%m-%dT00:00}"
    assert series.local_start[-1].isoformat()[:16] == f"{midnight:%Y-%m-%dT23:55}"
    assert np.all(np.diff(series.start) == np.timedelta64(5, "m"))
    assert file.read_text().count(" 01:30:00") == (2 if hours == 25 else 1)


def test_row_order_separates_the_two_passes_of_the_repeated_hour_in_new_york(tmp_path: Path) -> None:
    stamps = ["00:30", "00:45", "01:00", "01:15", "01:30", "01:45", "01:00", "01:15", "01:30", "01:45", "02:00"]
    rows = [f'"11/03/2024 {stamp}:00","WEST",61752,{i},0,0' for i, stamp in enumerate(stamps)]
    series = files.read("nyiso", files.write(tmp_path / "x.csv", files.NYISO_HEADER, rows), stamps="start")
    assert series.start[5] == np.datetime64("2024-11-03T05:45")
    assert series.start[6] == np.datetime64("2024-11-03T06:00")
    assert list(series.price) == list(range(11))


def test_new_york_files_that_meet_in_the_repeated_hour_are_ordered_regardless_of_name(tmp_path: Path) -> None:
    stamps = ["00:30", "01:00", "01:30", "01:00", "01:30", "02:00"]
    rows = [f'"11/03/2024 {stamp}:00","WEST",61752,{i},0,0' for i, stamp in enumerate(stamps)]
    files.write(tmp_path / "z.csv", files.NYISO_HEADER, rows[:3])
    files.write(tmp_path / "a.csv", files.NYISO_HEADER, rows[3:])
    series = files.read("nyiso", tmp_path, stamps="start")
    assert list(series.price) == list(range(6))
    assert series.start[3] == np.datetime64("2024-11-03T06:00")


def test_repeated_hours_of_two_years_are_separate(tmp_path: Path) -> None:
    nights = [[f"{day} {hour:02d}:00" for hour in (1, 2, 2, 3)] for day in ("2023-10-29", "2024-10-27")]
    file = table(tmp_path, [stamp for night in nights for stamp in night])
    series = files.read("table", file, time_zone="Europe/Berlin", currency="EUR", gaps="split")
    assert list(series.start[~series.gap].astype(str)) == [
        *(f"2023-10-{day}:00:00" for day in ("28T23", "29T00", "29T01", "29T02")),
        *(f"2024-10-{day}:00:00" for day in ("26T23", "27T00", "27T01", "27T02")),
    ]


def test_interval_minutes_sets_the_grid_of_new_york(tmp_path: Path) -> None:
    rows = files.nyiso_rows(NIGHT, [1.0, 2.0, 3.0], minutes=15)
    rows.insert(1, rows[0].replace(":15:00", ":20:00").replace("1.0", "999.0"))
    file = files.write(tmp_path / "x.csv", files.NYISO_HEADER, rows)
    assert list(files.read("nyiso", file, interval_minutes=15, off_grid="drop").price) == [1, 2, 3]


def test_hourly_day_ahead_files_of_new_york_have_25_hours_in_autumn(tmp_path: Path) -> None:
    midnight = datetime(2024, 11, 3, tzinfo=files.NEW_YORK)
    rows = files.nyiso_rows(midnight, list(range(25)), minutes=60, end=False)
    assert sum('"11/03/2024 01:00"' in row for row in rows) == 2
    series = files.read("nyiso", files.write(tmp_path / "x.csv", files.NYISO_HEADER, rows), stamps="start")
    assert (len(series), series.interval_h, series.intervals_per_day) == (25, 1.0, 24)
    assert series.start[0] == np.datetime64("2024-11-03T04:00")


def test_new_york_rows_between_intervals_can_be_dropped(tmp_path: Path) -> None:
    rows = files.nyiso_rows(NIGHT, [1.0, 2.0, 3.0])
    rows.insert(1, rows[1].replace(":10:00", ":07:18").replace("2.0", "999.0"))
    file = files.write(tmp_path / "x.csv", files.NYISO_HEADER, rows)
    assert list(files.read("nyiso", file, off_grid="drop").price) == [1, 2, 3]


@pytest.mark.parametrize(("day", "hours"), [((2024, 3, 10), 23), ((2024, 11, 3), 25)])
def test_day_in_texas_has_23_or_25_hours_when_clocks_change(
    tmp_path: Path, day: tuple[int, int, int], hours: int
) -> None:
    midnight = datetime(*day, tzinfo=files.TEXAS)
    rows = files.ercot_rows(midnight, list(range(4 * hours)))
    assert rows[0].split(",")[1:3] == ["1", "1"]
    assert rows[-1].split(",")[1:3] == ["24", "4"]
    assert sum(row.endswith("Y") for row in rows) == (4 if hours == 25 else 0)
    series = files.read("ercot", files.write(tmp_path / "x.csv", files.ERCOT_HEADER, rows))
    assert list(series.price) == list(range(4 * hours))
    assert series.start[0] == np.datetime64(midnight.astimezone(UTC).replace(tzinfo=None), "s")
    assert np.all(np.diff(series.start) == np.timedelta64(15, "m"))


def test_texas_files_of_one_interval_each_are_joined_in_the_repeated_hour(tmp_path: Path) -> None:
    rows = files.ercot_rows(datetime(2024, 11, 3, tzinfo=files.TEXAS), list(range(16)))
    for i, row in enumerate(rows):
        files.write(tmp_path / f"{7 * i % 16:02d}.csv", files.ERCOT_HEADER, [row])
    series = files.read("ercot", tmp_path)
    assert list(series.price) == list(range(16))
    assert np.all(np.diff(series.start) == np.timedelta64(15, "m"))


def test_texas_load_zones_with_one_name_are_selected_by_type(tmp_path: Path) -> None:
    rows = files.ercot_rows(NIGHT, [1.0, 2.0], "LZ_WEST", "LZ") + files.ercot_rows(NIGHT, [3.0, 4.0], "LZ_WEST", "LZEW")
    file = files.write(tmp_path / "x.csv", files.ERCOT_HEADER, rows)
    series = files.read("ercot", file, settlement_point="LZ_WEST", settlement_point_type="LZEW")
    assert (series.name, list(series.price)) == ("LZ_WEST", [3, 4])


def test_texas_day_ahead_files_are_hourly(tmp_path: Path) -> None:
    header = "DeliveryDate,HourEnding,SettlementPoint,SettlementPointPrice,DSTFlag"
    rows = [f"11/03/2024,{hour:02d}:00,HB_WEST,{hour},N" for hour in range(1, 25)]
    rows.insert(2, "11/03/2024,02:00,HB_WEST,2.5,Y")
    series = files.read("ercot", files.write(tmp_path / "x.csv", header, rows))
    assert (len(series), series.interval_h) == (25, 1.0)
    assert list(series.price[:4]) == [1, 2, 2.5, 3]
    assert series.start[0] == np.datetime64("2024-11-03T05:00")


def test_california_stamps_mark_the_start_in_gmt_and_only_lmp_rows_are_used(tmp_path: Path) -> None:
    rows = files.caiso_rows(NIGHT, [40.0, 41.0], parts=("MCE", "LMP", "MCL", "MGHG"))
    rows += files.caiso_rows(NIGHT, [50.0, 51.0], node="TH_SP15_GEN-APND")
    file = files.write(tmp_path / "x.csv", files.CAISO_HEADER.format(price="VALUE"), rows)
    series = files.read("caiso", file, node="TH_NP15_GEN-APND")
    assert list(series.start.astype(str)) == ["2024-01-01T00:00:00", "2024-01-01T00:05:00"]
    assert list(series.price) == [40, 41]
    assert series.local_start[0].isoformat() == "2023-12-31T16:00:00-08:00"


def test_market_run_is_selected_from_a_folder_of_several(tmp_path: Path) -> None:
    header = files.CAISO_HEADER.format(price="MW")
    files.write(tmp_path / "a.csv", header, files.caiso_rows(NIGHT, [1.0, 2.0], minutes=60, run="DAM"))
    files.write(tmp_path / "b.csv", header, files.caiso_rows(NIGHT, [3.0] * 24))
    assert list(files.read("caiso", tmp_path, market_run="DAM").price) == [1, 2]


def table(folder: Path, stamps: list[str], ending: str = ".csv") -> Path:
    file = folder / f"prices{ending}"
    pd.DataFrame({"timestamp": stamps, "price": range(len(stamps))}).to_csv(file, index=False)
    return file


def test_table_with_utc_offsets_keeps_them_and_has_local_hours(tmp_path: Path) -> None:
    stamps = ["2024-03-31T01:30+01:00", "2024-03-31T03:00+02:00", "2024-03-31T01:30Z"]
    series = files.read("table", table(tmp_path, stamps), time_zone="Europe/Berlin", currency="EUR")
    assert list(series.start.astype(str)) == ["2024-03-31T00:30:00", "2024-03-31T01:00:00", "2024-03-31T01:30:00"]
    assert list(series.hour) == [1.5, 3.0, 3.5]


@pytest.mark.parametrize("stamps", [["20240101T00Z", "20240101T01Z"], ["2024-01-01 01+01", "2024-01-01 02+01"]])
def test_all_iso_8601_forms_of_an_offset_are_read(tmp_path: Path, stamps: list[str]) -> None:
    series = files.read("table", table(tmp_path, stamps), time_zone="Europe/Berlin", currency="EUR")
    assert (series.start[0], series.interval_h) == (np.datetime64("2024-01-01T00:00"), 1.0)


def test_table_may_have_utc_stamps_and_a_local_calendar(tmp_path: Path) -> None:
    stamps = ["2024-03-31 01:00", "2024-03-31 02:00", "2024-03-31 03:00"]
    file = table(tmp_path, stamps)
    series = files.read("table", file, time_zone="Europe/Berlin", stamp_time_zone="UTC", currency="EUR")
    assert (series.start[0], series.time_zone) == (np.datetime64("2024-03-31T01:00"), "Europe/Berlin")


def test_table_may_have_a_custom_stamp_format(tmp_path: Path) -> None:
    file = table(tmp_path, ["02.01.2024 00:00", "02.01.2024 00:10"], ".csv.gz")
    with gzip.open(file, "rt") as packed:
        assert packed.readline() == "timestamp,price\n"
    options = {"time_zone": "Europe/Berlin", "currency": "EUR", "name": "EPEX"}
    series = files.read("table", file, timestamp_format="%d.%m.%Y %H:%M", **options)
    assert (series.start[0], series.interval_h, series.name) == (np.datetime64("2024-01-01T23:00"), 1 / 6, "EPEX")


def test_parquet_index_can_be_the_time_stamp(tmp_path: Path) -> None:
    index = pd.date_range("2024-01-01", periods=3, freq="15min", tz="Europe/Berlin", name="timestamp")
    pd.DataFrame({"price": [1.0, 2.0, 3.0]}, index=index).to_parquet(tmp_path / "prices.parquet")
    series = files.read("table", tmp_path, time_zone="Europe/Berlin", currency="EUR")
    assert (series.start[0], list(series.price)) == (np.datetime64("2023-12-31T23:00"), [1, 2, 3])


def test_table_that_begins_in_the_repeated_hour_is_in_the_second_pass(tmp_path: Path) -> None:
    file = table(tmp_path, ["2024-10-27 02:30", "2024-10-27 02:45", "2024-10-27 03:00"])
    series = files.read("table", file, time_zone="Europe/Berlin", currency="EUR")
    assert series.start[0] == np.datetime64("2024-10-27T01:30")


def test_interval_minutes_is_used_for_a_single_row(tmp_path: Path) -> None:
    file = table(tmp_path, ["2024-01-01 00:00"])
    options = {"time_zone": "UTC", "currency": "EUR"}
    assert files.read("table", file, interval_minutes=20, **options).interval_h == 1 / 3
