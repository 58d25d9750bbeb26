"""Row versions: of several rows for one interval, the newest by a column counts."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from battery_lab.common.errors import DataError
from tests.market import operator_files as files
from tests.market import operator_reports as reports

NIGHT = datetime(2024, 1, 1, tzinfo=UTC)
BERLIN = {"time_zone": "Europe/Berlin", "currency": "EUR"}
PRICES = [float(price) for price in range(20)]


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


def test_versions_with_two_meanings_are_refused_by_their_own_option(tmp_path: Path) -> None:
    versions(tmp_path / "a", "1", "2").rename(tmp_path / "a.csv")
    versions(tmp_path / "b", "2/01/2024 00:00", "10/01/2024 00:00").rename(tmp_path / "b.csv")
    with pytest.raises(
        DataError, match="b.csv, row 2: version is '2/01/2024 00:00', in which day.*newest_by must"
    ) as error:
        files.read("table", tmp_path / "b.csv", newest_by="version", **BERLIN)
    assert "timestamp_format" not in str(error.value)
    with pytest.raises(DataError, match="b.csv, row 2: version is"):
        files.read("table", tmp_path, newest_by="version", **BERLIN)


def test_the_newest_version_counts_in_whichever_file_and_pass_of_the_doubled_hour_it_is(tmp_path: Path) -> None:
    night = datetime(2024, 10, 26, 23, tzinfo=UTC)  # the hour of 01:00 UTC is the second pass in Berlin
    old = reports.library_rows(night, [1.0, 2.0, 3.0, 4.0], updated="2024-10-25 11:00:00")
    new = reports.library_rows(night + timedelta(hours=2), [9.0], updated="2024-10-26 11:00:00")
    files.write(tmp_path / "a.csv", reports.LIBRARY, new)
    files.write(tmp_path / "b.csv", reports.LIBRARY, old)
    series = files.read("entsoe", tmp_path)
    assert series.price.tolist() == [1, 2, 9, 4]
    assert series.notes == ("b.csv: left out: superseded rows (1)",)
