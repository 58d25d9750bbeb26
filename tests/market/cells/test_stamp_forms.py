"""Stamp forms: stamps in any form whose meaning the whole column settles, and refused where it does not."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from battery_lab.common.errors import DataError
from battery_lab.market.market_series import MarketSeries
from tests.market import operator_files as files

BERLIN = {"time_zone": "Europe/Berlin", "currency": "EUR"}
UTC_CLOCK = {"time_zone": "Europe/Berlin", "stamp_time_zone": "UTC", "currency": "EUR"}
HOURS = [datetime(2024, 1, 11, tzinfo=UTC) + timedelta(hours=i) for i in range(72)]


def read(folder: Path, cells: list[str], header: str = "timestamp,price", **options: Any) -> MarketSeries:
    file = files.write(folder / "x.csv", header, [f"{stamp},{i}" for i, stamp in enumerate(cells)])
    return files.read("table", file, **(UTC_CLOCK | options))


def check(series: MarketSeries, start: str = "2024-01-11T00:00") -> None:
    assert series.start[0] == np.datetime64(start)
    assert np.all(np.diff(series.start) == np.timedelta64(1, "h"))
    assert series.price.tolist() == list(range(len(series)))


@pytest.mark.parametrize(
    "form",
    [
        *("%Y-%m-%dT%H:%M:%SZ", "%Y-%m-%d %H:%M:%S.000", "%Y/%m/%d %H:%M", "%Y%m%d %H:%M", "%Y%m%d%H", "%Y%m%d%H%M"),
        *("%Y%m%d%H%M%S", "%s", "%s000", "%d.%m.%Y %H:%M", "%d/%m/%Y %H:%M", "%m/%d/%Y %H:%M:%S", "%d-%m-%Y %H:%M"),
        *("%m/%d/%y %H:%M", "%m/%d/%Y %I:%M:%S %p", "%d/%m/%Y %I:%M %p", "%d-%b-%Y %H:%M", "%d %B %Y %H:%M"),
        *("%Y.%m.%d %H:%M", "%d.%m.%Y, %H:%M", "%m/%d/%Y %H:%M:%S.000"),
    ],
)
def test_forms_are_found(tmp_path: Path, form: str) -> None:
    check(read(tmp_path, [f'"{hour.strftime(form)}"' for hour in HOURS]))


def test_numbers_without_leading_zeros(tmp_path: Path) -> None:
    stamps = [f"{h.month}/{h.day}/{h.year} {(h.hour - 1) % 12 + 1}:00:00 {h:%p}" for h in HOURS]
    series = read(tmp_path, stamps)
    check(series)
    assert "x.csv: the month is first in its stamps" in series.notes


@pytest.mark.parametrize(("form", "other"), [("%d/%m/%Y %H:%M", "%m/%d/%Y %H:%M"), ("%m-%d-%Y", "%d-%m-%Y")])
def test_day_and_month_that_no_stamp_tells_apart_are_refused(tmp_path: Path, form: str, other: str) -> None:
    stamps = [datetime(2024, 1, 2, hour).strftime(form) for hour in range(24)]
    with pytest.raises(
        DataError, match=r"x.csv, row 2: day or month may be first in the stamp '\d\d.\d\d.2024"
    ) as caught:
        read(tmp_path, stamps)
    assert f'market.timestamp_format="{form}"' in str(caught.value)
    assert f'market.timestamp_format="{other}"' in str(caught.value)
    if "%H" in form:
        check(read(tmp_path, stamps, timestamp_format=form), "2024-01-02T00:00")
        check(read(tmp_path, stamps, timestamp_format=other), "2024-02-01T00:00")


def test_stamps_in_two_orders_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="row 3: '01/14/2024 01:00' has another order .* than '13/01/2024 00:00'"):
        read(tmp_path, ["13/01/2024 00:00", "01/14/2024 01:00"])


@pytest.mark.parametrize("form", ["%Y-%m-%d %H:%M", "%d.%m.%Y %H:%M", "%Y-%m-%dT%H:%M:%S+00:00"])
def test_24_00_is_midnight_of_the_next_day(tmp_path: Path, form: str) -> None:
    ends = [hour + timedelta(hours=1) for hour in HOURS]
    stamps = [
        (end - timedelta(days=1)).strftime(form.replace("%H", "24")) if end.hour == 0 else end.strftime(form)
        for end in ends
    ]
    assert sum("24:00" in stamp for stamp in stamps) == 3
    check(read(tmp_path, stamps, stamps="end"))


@pytest.mark.parametrize("form", ["%d.%m.%Y %H:%M", "%d/%m/%Y %H:%M:%S", "%Y-%m-%d %H:%M"])
@pytest.mark.parametrize("between", [" - ", " – ", " to "])
@pytest.mark.parametrize("stamps", ["start", "end"])
def test_ranges_have_a_start_and_an_end(tmp_path: Path, form: str, between: str, stamps: str) -> None:
    ranges = [f"{h.strftime(form)}{between}{(h + timedelta(hours=1)).strftime(form)}" for h in HOURS]
    check(read(tmp_path, ranges, stamps=stamps))


def test_ranges_of_iso_8601(tmp_path: Path) -> None:
    check(read(tmp_path, [f"{h:%Y-%m-%dT%H:%MZ}/{h + timedelta(hours=1):%Y-%m-%dT%H:%MZ}" for h in HOURS]))


@pytest.mark.parametrize("stamps", ["start", "end"])
@pytest.mark.parametrize(
    "hour", ["{e}", "{e:02d}", "HE{e:02d}", "{s} - {n}", "{s:02d}\xa0-\xa0{n:02d}", "{s:02d}:00-{n:02d}:00"]
)
def test_date_and_hour_in_two_columns(tmp_path: Path, hour: str, stamps: str) -> None:
    cells = [f"{h:%d-%m-%Y},{hour.format(s=h.hour, e=h.hour + 1, n=(h.hour + 1) % 24)}" for h in HOURS]
    check(read(tmp_path, cells, "date,hour,price", timestamp=["date", "hour"], stamps=stamps))


@pytest.mark.parametrize("hour", ["{s}", "{s:02d}:00", "{s}:00:00"])
def test_hours_from_0_to_23_are_times_of_the_clock(tmp_path: Path, hour: str) -> None:
    cells = [f"{h:%Y-%m-%d},{hour.format(s=h.hour)}" for h in HOURS]
    check(read(tmp_path, cells, "date,hour,price", timestamp=["date", "hour"]))
    later = read(tmp_path, cells, "date,hour,price", timestamp=["date", "hour"], stamps="end")
    check(later, "2024-01-10T23:00")


@pytest.mark.parametrize(
    ("hours", "message"),
    [
        (["5", "6", "7"], "row 2: the hours go from 5 to 7, which may be counted from 0 or from 1"),
        (["0", "24"], "row 3: the hours go from 0 to 24"),
        (["1", "25"], "row 3: the hour is '25', not a number from 0 to 24"),
        (["1", "02X"], "row 3: the hour is '02X'"),
    ],
)
def test_hours_that_may_be_counted_from_0_or_1_are_refused(tmp_path: Path, hours: list[str], message: str) -> None:
    with pytest.raises(DataError, match=message):
        read(tmp_path, [f"2024-01-13,{hour}" for hour in hours], "date,hour,price", timestamp=["date", "hour"])


@pytest.mark.parametrize("clock", ["EST", "Etc/GMT+5"])
def test_standard_time_all_year(tmp_path: Path, clock: str) -> None:
    first = datetime(2024, 3, 9, tzinfo=ZoneInfo("Etc/GMT+5"))
    hours = [first + timedelta(hours=i) for i in range(72)]
    cells = [f"{h:%Y-%m-%d},{h.hour + 1}" for h in hours]
    options = {"timestamp": ["date", "hour"], "stamp_time_zone": clock, "time_zone": "America/Toronto"}
    series = read(tmp_path, cells, "date,hour,price", **options)
    check(series, "2024-03-09T05:00")
    assert series.local_start[-1].isoformat() == "2024-03-12T00:00:00-04:00"


def test_an_empty_row_of_the_hour_that_clocks_skip_is_left_out(tmp_path: Path) -> None:
    first = datetime(2024, 3, 31)
    ranges = [
        f"{first + timedelta(hours=i):%d.%m.%Y %H:%M} - {first + timedelta(hours=i + 1):%d.%m.%Y %H:%M}"
        for i in range(24)
    ]
    rows = [f"{stamp},{'-' if i == 2 else i}" for i, stamp in enumerate(ranges)]
    file = files.write(tmp_path / "x.csv", "timestamp,price", rows)
    series = files.read("table", file, **BERLIN)
    assert series.price.tolist() == [0, 1, *range(3, 24)]
    assert "x.csv: left out: empty rows of an hour that clocks skip (1)" in series.notes
    files.write(tmp_path / "x.csv", "timestamp,price", [row.replace(",-", ",2") for row in rows])
    with pytest.raises(DataError, match="row 4: 2024-03-31 02:00:00 does not exist in Europe/Berlin"):
        files.read("table", file, **BERLIN)


def test_the_repeated_hour_of_ranges_is_told_apart_by_order(tmp_path: Path) -> None:
    hours = [0, 1, 2, 2, 3, 4]
    cells = [f"27-10-2024,{h:02d} - {h + 1:02d}" for h in hours]
    series = read(tmp_path, cells, "date,hour,price", timestamp=["date", "hour"], stamp_time_zone=None)
    check(series, "2024-10-26T22:00")


@pytest.mark.parametrize("form", ["%y-%m-%d %H:%M", "%d-%m-%y %H:%M", "%d/%m/%y %H:%M", "%y/%m/%d %H:%M"])
def test_years_of_two_digits_are_the_number_that_changes_least(tmp_path: Path, form: str) -> None:
    check(read(tmp_path, [hour.strftime(form) for hour in HOURS]))


def test_years_of_two_digits_that_no_stamp_tells_are_refused(tmp_path: Path) -> None:
    stamps = [f"24-01-05 {hour:02d}:00" for hour in range(24)]
    with pytest.raises(
        DataError, match="row 2: the year may be the first or the last number .*'24-01-05 00:00'"
    ) as error:
        read(tmp_path, stamps)
    assert 'market.timestamp_format="%y-%m-%d %H:%M"' in str(error.value)
    check(read(tmp_path, stamps, timestamp_format="%y-%m-%d %H:%M"), "2024-01-05T00:00")
    check(read(tmp_path, [f"15-01-98 {hour:02d}:00" for hour in range(2)]), "1998-01-15T00:00")
