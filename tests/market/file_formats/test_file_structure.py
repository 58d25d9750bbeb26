"""Structure of files: blank first lines, names that stand twice, folders that are read in part, stamp formats."""

from __future__ import annotations

import gzip
import zipfile
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from battery_lab.common.errors import ConfigError, DataError
from tests.market import operator_files as files

NIGHT = datetime(2024, 1, 1, tzinfo=UTC)
BERLIN = {"time_zone": "Europe/Berlin", "currency": "EUR"}
ROWS = ["2024-01-01 00:00,5,7", "2024-01-01 01:00,6,8"]


@pytest.mark.parametrize("before", ["\n", "\n\n\n", "  \n", ",,,,\n", '"",""\n', "\r\n"])
@pytest.mark.parametrize("packed", [False, True])
def test_blank_lines_before_the_header_are_skipped_and_rows_keep_their_number(
    tmp_path: Path, before: str, packed: bool
) -> None:
    rows = files.aemo_rows(NIGHT, [1.0, 2.0, 3.0])
    text = "\ufeff" + before + "\n".join([files.AEMO_HEADER, *rows]) + "\n"
    file = tmp_path / ("x.csv.gz" if packed else "x.csv")
    file.write_bytes(gzip.compress(text.encode()) if packed else text.encode())
    assert list(files.read("aemo", file).price) == [1, 2, 3]
    wrong = text.replace(",2.0,", ",cheap,")
    file.write_bytes(gzip.compress(wrong.encode()) if packed else wrong.encode())
    with pytest.raises(DataError, match=f"row {3 + before.count(chr(10))}: RRP is 'cheap'"):
        files.read("aemo", file)


def test_a_file_of_blank_lines_is_empty(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text("\n \n,,\n")
    with pytest.raises(DataError, match="x.csv is empty"):
        files.read("aemo", tmp_path)


def test_a_column_that_is_used_and_stands_twice_is_refused(tmp_path: Path) -> None:
    file = files.write(tmp_path / "x.csv", "timestamp,price,price", ROWS)
    with pytest.raises(DataError, match="x.csv: the column 'price' stands 2 times, as columns 2, 3. Rename or remove"):
        files.read("table", file, **BERLIN)
    file = files.write(tmp_path / "x.csv", "timestamp,price,note,note", [f"{row},0" for row in ROWS])
    assert list(files.read("table", file, **BERLIN).price) == [5, 6]
    with pytest.raises(DataError, match="the column 'note' stands 2 times"):
        files.read("table", file, **BERLIN, **{"columns.demand_mw": "note"})


@pytest.mark.parametrize("second", ["RRP", "rrp", " R R P "])
def test_a_column_of_an_operator_that_stands_twice_is_refused(tmp_path: Path, second: str) -> None:
    rows = [f"{row},5" for row in files.aemo_rows(NIGHT, [1.0, 2.0])]
    file = files.write(tmp_path / "x.csv", f"{files.AEMO_HEADER},{second}", rows)
    with pytest.raises(DataError, match="the column 'RRP' stands 2 times, as columns 4, 6"):
        files.read("aemo", file)


def test_a_parquet_column_that_stands_twice_is_refused(tmp_path: Path) -> None:
    stamps = pa.array(pd.date_range("2024-01-01", periods=2, freq="h"))
    columns = [stamps, pa.array([1.0, 2.0]), pa.array([3.0, 4.0])]
    pq.write_table(pa.Table.from_arrays(columns, ["timestamp", "price", "price"]), tmp_path / "x.parquet")
    with pytest.raises(DataError, match="the column 'price' stands 2 times"):
        files.read("table", tmp_path, **BERLIN)


def february(folder: Path) -> Path:
    rows = files.aemo_rows(datetime(2024, 2, 1, tzinfo=UTC), [1.0, 2.0])
    return files.write(folder / "february.csv", files.AEMO_HEADER, rows)


@pytest.mark.parametrize("other", ["january.7z", "january.tar.gz", "january.TGZ", "january.feather", "january.csv.bz2"])
def test_a_folder_with_files_that_would_be_left_out_is_refused(tmp_path: Path, other: str) -> None:
    february(tmp_path)
    (tmp_path / other).write_bytes(b"PK")
    with pytest.raises(DataError, match=rf"the folder also has {other}, which would be left out. Unpack") as caught:
        files.read("aemo", tmp_path)
    glob = str(caught.value).partition("market.path='")[2].rstrip("'")
    assert len(files.read("aemo", glob)) == 2


@pytest.mark.parametrize("other", ["january.txt", "january.dat"])
def test_a_text_file_is_read_if_it_looks_like_a_table(tmp_path: Path, other: str) -> None:
    february(tmp_path)
    (tmp_path / other).write_text("Read the terms of use.\n\nVersion 2\n")
    assert len(files.read("aemo", tmp_path)) == 2
    rows = files.aemo_rows(datetime(2024, 1, 31, 23, 50, tzinfo=UTC), [3.0, 4.0])
    files.write(tmp_path / other, files.AEMO_HEADER, rows)
    assert list(files.read("aemo", tmp_path).price) == [3, 4, 1, 2]
    (tmp_path / other).write_text("stamp;price\n2024-01-01;5\n")
    with pytest.raises(DataError, match=rf"{other}, row 1: there is no column REGION, only stamp, price"):
        files.read("aemo", tmp_path)


def test_folders_below_are_read_except_hidden_ones(tmp_path: Path) -> None:
    february(tmp_path)
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "readme.md").write_text("none")
    (tmp_path / ".hidden").mkdir()
    (tmp_path / ".hidden" / "x.csv").write_text("x")
    (tmp_path / "loop").symlink_to(tmp_path)
    assert len(files.read("aemo", tmp_path)) == 2
    later = files.aemo_rows(datetime(2024, 2, 1, 0, 10, tzinfo=UTC), [3.0, 4.0])
    files.write(tmp_path / "2024" / "march" / "march.csv", files.AEMO_HEADER, later)
    assert list(files.read("aemo", tmp_path).price) == [1, 2, 3, 4]
    assert len(files.read("aemo", tmp_path / "*.csv")) == 2


def test_a_column_of_nearly_the_same_name_is_noted(tmp_path: Path) -> None:
    for other in (" price", "Price"):
        file = files.write(tmp_path / "x.csv", f"timestamp,price,{other}", ROWS)
        series = files.read("table", file, **BERLIN)
        assert list(series.price) == [5, 6]
        assert f"x.csv: the column 'price' is used, and not {other!r}, which has nearly the same name" in series.notes
        both = files.read("table", file, **BERLIN, **{"columns.other": other})
        assert not any("nearly" in note for note in both.notes)


def test_a_column_without_a_name_is_an_option_error() -> None:
    with pytest.raises(Exception, match=r"market.columns.a must name a column of the files, got ''"):
        files.market("table", "x.csv", **BERLIN, **{"columns.a": ""})


@pytest.mark.parametrize("cell", ["#N/A", "-"])
def test_cells_of_spreadsheets_without_a_number_are_missing(tmp_path: Path, cell: str) -> None:
    file = files.write(
        tmp_path / "x.csv", "timestamp,price", [*[row.rsplit(",", 1)[0] for row in ROWS], f"2024-01-01 02:00,{cell}"]
    )
    series = files.read("table", file, gaps="split", **BERLIN)
    assert list(series.gap) == [False, False, True]


def zip_of(archive: Path, members: dict[str, str]) -> None:
    with zipfile.ZipFile(archive, "w") as packed:
        for name, text in members.items():
            packed.writestr(name, text)


def test_an_archive_that_was_unpacked_beside_it_is_not_read_again(tmp_path: Path) -> None:
    file = february(tmp_path)
    (tmp_path / "notes.txt").write_text("no price")
    zip_of(tmp_path / "february.zip", {"inside/february.csv": file.read_text()})
    series = files.read("aemo", tmp_path)
    assert list(series.price) == [1, 2]
    assert series.notes[0] == "february.zip: left out, as all of its files also lie unpacked in the folder"
    zip_of(tmp_path / "february.zip", {"inside/february.csv": file.read_text(), "january.csv": "x"})
    with pytest.raises(DataError, match="february.zip/"):
        files.read("aemo", tmp_path)


def test_an_archive_with_another_file_of_the_same_name_is_read(tmp_path: Path) -> None:
    rows = files.aemo_rows(datetime(2024, 1, 1, tzinfo=UTC), [1.0, 2.0, 3.0, 4.0])
    files.write(tmp_path / "rt_hrl_lmps.csv", files.AEMO_HEADER, rows[:2])
    zip_of(tmp_path / "february.zip", {"rt_hrl_lmps.csv": "\n".join([files.AEMO_HEADER, *rows[2:]])})
    assert list(files.read("aemo", tmp_path).price) == [1, 2, 3, 4]
    # Of the same size as the file, too.
    zip_of(tmp_path / "february.zip", {"rt_hrl_lmps.csv": "\n".join([files.AEMO_HEADER, *rows[2:]]) + "\n"})
    assert list(files.read("aemo", tmp_path).price) == [1, 2, 3, 4]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("%Y-%q", "'q' is a bad directive"),
        ("%d.%m.%Y %H:%M %Y", "%Y occurs twice"),
        ("%Y-%m-%d %", "stray %"),
        ("%Y-%W", "Cannot use"),
        ("", "must be a strftime format such as"),
        ("mixed", "must be a strftime format such as"),
    ],
)
def test_a_stamp_format_that_cannot_be_used_is_an_option_error(text: str, reason: str) -> None:
    with pytest.raises(
        Exception, match=f"market.timestamp_format must be a strftime format.*{reason}|{reason}"
    ) as caught:
        files.market("table", "x.csv", timestamp_format=text, **BERLIN)
    error = caught.value.__cause__ or caught.value
    assert isinstance(error, ConfigError) and "market.timestamp_format must be" in str(error)


@pytest.mark.parametrize(("minutes", "end"), [(5, True), (5, False), (15, False), (60, True), (60, False)])
def test_an_hour_that_clocks_repeat_and_that_is_in_the_file_once_is_named(
    tmp_path: Path, minutes: int, end: bool
) -> None:
    evening, hour = datetime(2024, 11, 2, 20, tzinfo=files.NEW_YORK), 60 // minutes
    rows = files.nyiso_rows(evening, [float(price) for price in range(25 * hour)], minutes, end=end)
    stamps = "end" if end else "start"
    # The end of the hour before has the stamp of the first pass, so that a file of hours lacks that one.
    cut = 6 * hour - (1 if end and hour == 1 else 0)
    once = files.write(tmp_path / "once.csv", files.NYISO_HEADER, rows[:cut] + rows[cut + hour :])
    words = "in which daylight saving ends: the file holds the doubled hour only once"
    with pytest.raises(DataError, match=f"a gap of {hour} .*{words}.* with both passes"):
        files.read("nyiso", once, stamps=stamps)
    later = files.write(tmp_path / "later.csv", files.NYISO_HEADER, rows[: 7 * hour] + rows[8 * hour :])
    with pytest.raises(DataError, match=f"a gap of {hour}") as caught:
        files.read("nyiso", later, stamps=stamps)
    assert "daylight" not in str(caught.value)


@pytest.mark.parametrize("name", [".prices", "..", "__MACOSX"])
def test_a_folder_that_is_named_is_read_though_its_name_is_hidden(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    (tmp_path / "here").mkdir()
    folder = tmp_path if name == ".." else tmp_path / name
    february(folder)
    files.write(folder / ".cache" / "x.csv", files.AEMO_HEADER, ["x"])
    monkeypatch.chdir(tmp_path / "here")
    assert list(files.read("aemo", name if name == ".." else folder).price) == [1, 2]


@pytest.mark.parametrize("column", ["1h price", "15min LMP", "24-hour price (EUR/MWh)", "5-minute RRP"])
def test_names_that_begin_with_a_digit_make_a_header_below_a_key_line(tmp_path: Path, column: str) -> None:
    rows = [f"2024-01-01 {hour:02d}:00,{hour},x" for hour in range(8)]
    file = tmp_path / "x.csv"
    file.write_text("\n".join(["Created,2024-01-01 08:00,x", f"time,{column},note", *rows]))
    series = files.read("table", file, timestamp="time", price=column, **BERLIN)
    assert series.price.tolist() == list(range(8))
    file.write_text("\n".join(["Created,01 Jan 2024 08:00 CET,x", f"time,{column},note", *rows]))
    assert files.read("table", file, timestamp="time", price=column, **BERLIN).price.tolist() == list(range(8))
