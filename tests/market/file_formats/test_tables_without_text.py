"""Spreadsheets and Parquet files: typed cells, several sheets, and an index that holds the stamps."""

from __future__ import annotations

import zipfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from battery_lab.common.errors import DataError
from battery_lab.market.file_formats.spreadsheets import close_workbook, sheets
from tests.market import operator_files as files
from tests.market.file_formats.xlsx_file import Cell, write_xlsx

BERLIN = {"time_zone": "Europe/Berlin", "currency": "EUR"}
FIRST = datetime(2024, 1, 1)
ROWS: list[list[Cell]] = [[FIRST + timedelta(minutes=5 * i), i + 0.25] for i in range(400)]
HEADER: list[Cell] = ["timestamp", "price"]


def test_a_workbook_with_dates_and_numbers(tmp_path: Path) -> None:
    file = write_xlsx(tmp_path / "x.xlsx", {"Prices": [HEADER, *ROWS]})
    series = files.read("table", file, **BERLIN)
    assert series.price.tolist() == [i + 0.25 for i in range(400)]
    assert series.start[0] == np.datetime64("2023-12-31T23:00")
    assert np.all(np.diff(series.start) == np.timedelta64(5, "m"))


def test_sheets_of_a_workbook_are_read_as_one_table(tmp_path: Path) -> None:
    sheets = {
        "Readme": [["Prices of 2024"], [None, "made by hand"]],
        "January": [["Prices"], [], HEADER, *ROWS[:200]],
        "February": [HEADER, *ROWS[200:], [None, None]],
        "Empty": [],
    }
    series = files.read("table", write_xlsx(tmp_path / "x.xlsx", sheets), **BERLIN)
    assert len(series) == 400
    sheets["February"][5] = [ROWS[204][0], "cheap"]
    with pytest.raises(DataError, match="x.xlsx/February, row 6: price is 'cheap'"):
        files.read("table", write_xlsx(tmp_path / "x.xlsx", sheets), **BERLIN)
    sheets["March"] = [["stamp", "load"], ["2024-03-01", 5.0]]
    with pytest.raises(DataError, match="x.xlsx: the sheets 'January' and 'March' have different columns. Export"):
        files.read("table", write_xlsx(tmp_path / "x.xlsx", sheets), **BERLIN)


def test_text_and_missing_cells_of_a_workbook(tmp_path: Path) -> None:
    rows: list[list[Cell]] = [
        ["01/13/2024 00:00", "1.234,50 €"],
        ["01/13/2024 01:00", "-"],
        ["01/13/2024 02:00", "7,5"],
    ]
    file = write_xlsx(tmp_path / "x.xlsx", {"Prices": [HEADER, *rows]})
    series = files.read("table", file, gaps="split", **BERLIN)
    assert series.price.tolist() == [1234.5, 1234.5, 7.5]
    assert series.gap.tolist() == [False, True, False]


def test_an_operators_workbook_also_in_an_archive(tmp_path: Path) -> None:
    header = list[Cell](files.AEMO_HEADER.split(","))
    rows = [list[Cell](row.split(",")) for row in files.aemo_rows(datetime(2024, 1, 1, tzinfo=UTC), [1.5, 2.5, 3.5])]
    for i, row in enumerate(rows):
        row[1:4] = [datetime.strptime(str(row[1]), "%Y/%m/%d %H:%M:%S"), float(str(row[2])), i + 1.5]
    file = write_xlsx(tmp_path / "x.xlsx", {"Sheet1": [header, *rows]})
    assert files.read("aemo", file).price.tolist() == [1.5, 2.5, 3.5]
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        archive.write(file, "2024/x.xlsx")
    file.unlink()
    assert files.read("aemo", tmp_path).price.tolist() == [1.5, 2.5, 3.5]


@pytest.mark.parametrize("content", [b"", b"PK", b"no workbook at all"])
def test_a_file_that_is_no_workbook_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x.xlsx").write_bytes(content)
    with pytest.raises(DataError, match="x.xlsx cannot be read as a workbook"):
        files.read("table", tmp_path, **BERLIN)


def test_a_workbook_without_a_table_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="x.xlsx has no sheet with a table"):
        files.read("table", write_xlsx(tmp_path / "x.xlsx", {"a": [["only a title"]], "b": []}), **BERLIN)


def test_a_workbook_that_unpacks_to_too_much_is_refused(tmp_path: Path) -> None:
    file = write_xlsx(tmp_path / "x.xlsx", {"Prices": [HEADER, *ROWS[:5]]})
    with zipfile.ZipFile(file, "a", zipfile.ZIP_DEFLATED) as archive, archive.open("xl/media.bin", "w") as member:
        archive.infolist()[-1].file_size = 2 << 30
        member.write(b"x")
    content = bytearray(file.read_bytes())
    place = content.rindex(b"PK\x01\x02") + 24
    content[place : place + 4] = (2 << 30).to_bytes(4, "little")
    file.write_bytes(bytes(content))
    with pytest.raises(DataError, match="x.xlsx unpacks to more than 1,024 MiB"):
        files.read("table", file, **BERLIN)


@pytest.mark.parametrize("zone", [None, "UTC", "America/New_York"])
def test_an_index_without_a_name_holds_the_stamps(tmp_path: Path, zone: str | None) -> None:
    index = pd.date_range("2024-01-01", periods=5, freq="h", tz=zone)
    pd.DataFrame({"price": np.arange(5.0)}, index=index).to_parquet(tmp_path / "x.parquet")
    series = files.read("table", tmp_path, **BERLIN)
    assert series.price.tolist() == [0, 1, 2, 3, 4]
    expected = index.tz_convert("UTC") if zone else index.tz_localize("Europe/Berlin").tz_convert("UTC")
    assert series.start[0] == np.datetime64(expected[0].tz_localize(None), "s")
    assert "x.parquet: its index, which has no name, is the time stamp" in series.notes


def test_a_parquet_file_without_an_index_of_stamps_names_the_option(tmp_path: Path) -> None:
    pd.DataFrame({"price": np.arange(5.0)}).to_parquet(tmp_path / "x.parquet")
    with pytest.raises(DataError, match="there is no column 'timestamp', only price. Set .* market.timestamp="):
        files.read("table", tmp_path, **BERLIN)


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
def test_parquet_stamps_of_any_unit_and_epochs(tmp_path: Path, unit: str) -> None:
    stamps = pd.date_range("2024-01-01", periods=5, freq="h").astype(f"datetime64[{unit}]")
    pd.DataFrame({"timestamp": stamps, "price": np.arange(5.0)}).to_parquet(tmp_path / "x.parquet")
    assert files.read("table", tmp_path, **BERLIN).start[0] == np.datetime64("2023-12-31T23:00")
    seconds = stamps.astype("datetime64[s]").astype("int64")
    pd.DataFrame({"timestamp": seconds, "price": np.arange(5.0)}).to_parquet(tmp_path / "x.parquet")
    assert files.read("table", tmp_path, **BERLIN).start[0] == np.datetime64("2024-01-01T00:00")


def test_an_operators_prices_in_parquet(tmp_path: Path) -> None:
    rows = [row.split(",") for row in files.aemo_rows(datetime(2024, 1, 1, tzinfo=UTC), [1.5, 2.0, 3.5])]
    frame = pd.DataFrame(rows, columns=files.AEMO_HEADER.split(","))
    frame["SETTLEMENTDATE"] = pd.to_datetime(frame["SETTLEMENTDATE"])
    frame[["RRP", "TOTALDEMAND"]] = frame[["RRP", "TOTALDEMAND"]].astype(float)
    frame.to_parquet(tmp_path / "x.parquet")
    assert files.read("aemo", tmp_path).price.tolist() == [1.5, 2, 3.5]


def test_a_workbook_is_parsed_once_for_all_of_its_sheets(tmp_path: Path) -> None:
    file = write_xlsx(tmp_path / "x.xlsx", {"January": [HEADER, *ROWS[:2]], "February": [HEADER, *ROWS[2:4]]})
    assert sheets(file) is sheets(file)
    files.read("table", file, **BERLIN)
    first = sheets(file)
    close_workbook()
    assert sheets(file) == first and sheets(file) is not first
    write_xlsx(file, {"March": [HEADER, *ROWS[:7]]})
    assert list(sheets(file)) == ["March"]


def test_a_workbook_has_a_bounded_number_of_cells(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("battery_lab.market.file_formats.spreadsheets.MOST_CELLS", 801)
    file = write_xlsx(tmp_path / "x.xlsx", {"A": [HEADER, *ROWS]})
    with pytest.raises(DataError, match="x.xlsx has more than 801 cells. Export its sheets to CSV"):
        files.read("table", file, **BERLIN)
