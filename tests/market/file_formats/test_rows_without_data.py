"""Rows without data: comments, titles, repeated headers and trailers are left out and counted; data rows never are."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from battery_lab.common.errors import DataError
from battery_lab.market.market_series import MarketSeries
from tests.market import operator_files as files

NIGHT = datetime(2024, 1, 1, tzinfo=UTC)
BERLIN = {"time_zone": "Europe/Berlin", "currency": "EUR"}
ROWS = [f"2024-01-01 {hour:02d}:00,{hour}.5,x" for hour in range(8)]


def left_out(folder: Path, lines: list[str], option: str = "table", **changes: object) -> tuple[list[float], str]:
    """Return the prices of a file, and what the note says was left out of it."""
    (folder / "x.csv").write_text("\n".join(lines) + "\n")
    series = files.read(option, folder / "x.csv", **(BERLIN if option == "table" else {}), **changes)
    notes = [note.partition("left out: ")[2] for note in series.notes if "left out: " in note]
    return series.price.tolist(), "".join(notes)


@pytest.mark.parametrize(
    ("before", "note"),
    [
        (["Prices of the day-ahead auction"], "comments and titles (1)"),
        (["Elspot Prices in EUR/MWh,,", "Data was last updated 31-12-2019,,"], "comments and titles (2)"),
        ([r"\\Yearly report,,", r"\\Created at 2020-01-31 08:02:14,,", r"\\For 2019,,"], "comments and titles (3)"),
        (["# made by hand, with, many, commas, in it", ""], "blank lines (1), comments and titles (1)"),
        (["Zone,DE-LU", "Created at,2024-01-01 08:00"], "comments and titles (2)"),
        (["", ",,", "  "], "blank lines (3)"),
        (["Area,DE,2024-05-01"], "comments and titles (1)"),
    ],
)
def test_lines_before_the_header_are_left_out(tmp_path: Path, before: list[str], note: str) -> None:
    assert left_out(tmp_path, [*before, "timestamp,price,note", *ROWS]) == ([h + 0.5 for h in range(8)], note)
    wrong = [*before, "timestamp,price,note", *ROWS[:2], "2024-01-01 02:00,cheap,x"]
    with pytest.raises(DataError, match=f"x.csv, row {len(before) + 4}: price is 'cheap'"):
        left_out(tmp_path, wrong)


@pytest.mark.parametrize(
    ("line", "note"),
    [
        ("# a comment", "comments and titles (1)"),
        ("# a comment, with, more, commas, than, a, row", "comments and titles (1)"),
        (r"\\ a comment", "comments and titles (1)"),
        ("#2024-01-01 03:00,99,", "comments and titles (1)"),
        ("timestamp,price,note", "repeated headers (1)"),
        (" Timestamp,PRICE,note ", "repeated headers (1)"),
        ("\ufefftimestamp,price,note", "repeated headers (1)"),
        ("", "blank lines (1)"),
        (",,", "blank lines (1)"),
        (" , ,", "blank lines (1)"),
    ],
)
def test_lines_between_rows_are_left_out(tmp_path: Path, line: str, note: str) -> None:
    lines = ["timestamp,price,note", *ROWS[:3], line, *ROWS[3:]]
    assert left_out(tmp_path, lines) == ([h + 0.5 for h in range(8)], note)


def test_files_joined_by_cat_repeat_titles_and_header(tmp_path: Path) -> None:
    head = ["My prices", "", "timestamp,price,note"]
    prices, note = left_out(tmp_path, [*head, *ROWS[:4], *head, *ROWS[4:]])
    assert prices == [h + 0.5 for h in range(8)]
    assert note == "blank lines (2), comments and titles (2), repeated headers (1)"


@pytest.mark.parametrize(
    "last",
    [
        ["End of report"],
        ["END OF REPORT,,"],
        ["", "Source: the exchange"],
        ["Total,36.0"],
        ["Rows: 8", "Generated 2024-02-01 by me"],
        ["* provisional"],
    ],
)
def test_last_lines_of_words_are_left_out(tmp_path: Path, last: list[str]) -> None:
    prices, note = left_out(tmp_path, ["timestamp,price,note", *ROWS, *last])
    assert prices == [h + 0.5 for h in range(8)]
    assert f"trailers ({sum(map(bool, last))})" in note


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("2024-01-01 08:0", "row 10: "),  # the end of a broken download
        ("2024", "row 10: "),
        ("Zone 5", "row 10: the time stamp is 'Zone 5'"),
        ("Total,36.0,x", "row 10: the time stamp is 'Total'"),  # as many cells as a row
        ("#N/A,5,x", "row 10: the time stamp is '#N/A'"),
        ("#2024-01-01 08:00,5,x", "row 10: the time stamp is '#2024-01-01 08:00'"),
        ("D,5,x", "row 10: the time stamp is 'D'"),
        ("C,5,x", "row 10: the time stamp is 'C'"),
    ],
)
def test_a_line_that_may_be_data_is_not_left_out(tmp_path: Path, line: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        left_out(tmp_path, ["timestamp,price,note", *ROWS, line])


def test_words_in_the_middle_are_no_trailer(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="row 5: the time stamp is 'End of report'"):
        left_out(tmp_path, ["timestamp,price,note", *ROWS[:3], "End of report", *ROWS[3:]])


def test_a_first_column_of_hashes_is_data(tmp_path: Path) -> None:
    rows = [f"#{i},{row}" for i, row in enumerate(ROWS)]
    assert left_out(tmp_path, ["id,timestamp,price,note", *rows]) == ([h + 0.5 for h in range(8)], "")


def test_aemo_footers_are_left_out_and_their_count_is_compared(tmp_path: Path) -> None:
    rows = files.aemo_rows(NIGHT, [1.0, 2.0, 3.0])
    whole = [files.AEMO_HEADER, *rows, 'C,"END OF REPORT",5']
    assert left_out(tmp_path, whole, "aemo") == ([1, 2, 3], "trailers (1)")
    later = files.aemo_rows(NIGHT.replace(minute=15), [4.0, 5.0])
    both = [*whole, files.AEMO_HEADER, *later, "C,END OF REPORT,4"]
    assert left_out(tmp_path, both, "aemo") == ([1, 2, 3, 4, 5], "repeated headers (1), trailers (2)")
    assert not any("its last row" in note for note in files.read("aemo", tmp_path / "x.csv").notes)
    cut = files.write(tmp_path / "x.csv", files.AEMO_HEADER, [*rows[:2], "C,END OF REPORT,5"])
    notes = files.read("aemo", cut).notes
    assert "x.csv: its last row counts 5 rows, and it has 4: rows were removed from it" in notes


def test_rows_that_say_their_kind(tmp_path: Path) -> None:
    head = ['"C","Hourly report"', '"C","Report for: 01/01/2024"', '"H","timestamp","price"', '"H","Date","Number"']
    rows = [f'"D","2024-01-01 {hour:02d}:00",{hour}' for hour in range(5)]
    prices, note = left_out(tmp_path, [*head, *rows, '"T","5 lines"'])
    assert prices == [0, 1, 2, 3, 4]
    assert note == "comments and titles (2), repeated headers (1), trailers (1)"
    for stated, change in ((6, "removed from"), (4, "added to")):
        (tmp_path / "x.csv").write_text("\n".join([*head, *rows, f'"T","{stated} lines"']))
        notes = files.read("table", tmp_path / "x.csv", **BERLIN).notes
        assert f"x.csv: its last row counts {stated} rows, and it has 5: rows were {change} it" in notes


def test_tables_of_settlement_systems_have_comment_information_and_data_rows(tmp_path: Path) -> None:
    head = ["C,NEMP.WORLD,PRICES,AEMO,PUBLIC,2024/01/01", "I,DISPATCH,PRICE,1,timestamp,price"]
    rows = [f"D,DISPATCH,PRICE,1,2024-01-01 {hour:02d}:00,{hour}" for hour in range(5)]
    prices, note = left_out(tmp_path, [*head, *rows, 'C,"END OF REPORT",8'])
    assert prices == [0, 1, 2, 3, 4]
    assert note == "comments and titles (1), trailers (1)"
    other = ["I,DISPATCH,UNIT,1,timestamp,power", "D,DISPATCH,UNIT,1,2024-01-01 00:00,7"]
    with pytest.raises(DataError, match="x.csv, row 8: a second table begins. Keep the rows of one table"):
        left_out(tmp_path, [*head, *rows, *other])


def test_names_in_any_case_and_blanks_are_found_and_noted(tmp_path: Path) -> None:
    file = files.write(tmp_path / "x.csv", ' Time Stamp ,"PRICE ",note', ROWS)
    series = files.read("table", file, timestamp="time_stamp", **BERLIN)
    assert series.price.tolist() == [h + 0.5 for h in range(8)]
    assert "x.csv: the column 'PRICE ' is used for 'price'" in series.notes
    file = files.write(tmp_path / "x.csv", "timestamp,PRICE ,Price", ROWS)
    with pytest.raises(DataError, match="there is no column 'price', only timestamp, PRICE , Price"):
        files.read("table", file, **BERLIN)


def test_columns_of_numbers_as_names_are_a_header(tmp_path: Path) -> None:
    file = files.write(tmp_path / "x.csv", "timestamp,51217,51218", [row.replace("x", "7") for row in ROWS])
    assert files.read("table", file, price="51218", **BERLIN).price.tolist() == [7] * 8


def test_names_that_begin_with_a_hash_are_data(tmp_path: Path) -> None:
    rows = [f"{name},{row}" for row in ROWS for name in ("#A", "B", "C")]
    file = files.write(tmp_path / "x.csv", "node,timestamp,price,note", rows)
    series = files.read("table", file, where={"node": "#A"}, **BERLIN)
    assert series.price.tolist() == [h + 0.5 for h in range(8)]


def test_a_first_column_without_a_name_holds_the_stamps(tmp_path: Path) -> None:
    for header, rows in ((",price,note", ROWS), (",price", [row.removesuffix(",x") for row in ROWS])):
        series = files.read("table", files.write(tmp_path / "x.csv", header, rows), **BERLIN)
        assert series.price.tolist() == [h + 0.5 for h in range(8)]
        assert "x.csv: its index, which has no name, is the time stamp" in series.notes


def test_a_node_whose_name_begins_with_a_hash_keeps_rows_with_blanks(tmp_path: Path) -> None:
    rows = [f"#1 TRAFO,{row.rpartition(',')[0]},{'' if i % 3 else 'ok'}" for i, row in enumerate(ROWS)]
    lines = ["# made by hand,,,", "node,timestamp,price,note", *rows[:3], "# checked,2024-01-02,,", *rows[3:]]
    file = tmp_path / "x.csv"
    file.write_text("\n".join(lines))
    series = files.read("table", file, **BERLIN)
    assert series.price.tolist() == [hour + 0.5 for hour in range(8)]
    assert "x.csv: left out: comments and titles (2)" in series.notes


def large(text: str, folder: Path, monkeypatch: pytest.MonkeyPatch, rows_per_part: int) -> MarketSeries:
    """Read a text as a file that is too large to read all of its columns, or all of its rows at once."""
    monkeypatch.setattr("battery_lab.market.file_formats.price_files.LARGE_FILE", 0)
    monkeypatch.setattr("battery_lab.market.file_formats.csv_files.ROWS_PER_PART", rows_per_part)
    (folder / "large.csv").write_text(text)
    return files.read("table", folder / "large.csv", timestamp="time", **BERLIN)


@pytest.mark.parametrize("rows_per_part", [3, 1000])
def test_headers_and_trailers_are_known_in_large_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rows_per_part: int
) -> None:
    head = "id,time,other,more,price,last"
    rows = [f"7,2024-01-01 {hour:02d}:00,a,b,{hour},c" for hour in range(8)]
    lines = [head, *rows[:4], "C,END OF REPORT,6,,,", head, *rows[4:], "C,END OF REPORT,9,,,"]
    series = large("\n".join(lines), tmp_path, monkeypatch, rows_per_part)
    assert series.price.tolist() == list(range(8))
    (left,) = [note for note in series.notes if "left out" in note]
    assert "repeated headers (1)" in left and "trailers (2)" in left
    assert "large.csv: its last row counts 9 rows, and it has 6: rows were removed from it" in series.notes
    assert not any("counts 6" in note for note in series.notes)


@pytest.mark.parametrize("rows_per_part", [4, 1000])
def test_a_trailer_counts_the_data_rows_of_all_parts_of_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rows_per_part: int
) -> None:
    head = ["H,time,price", *(f"D,2024-01-01 {hour:02d}:00,{hour}" for hour in range(10))]
    series = large("\n".join([*head, "T,10,"]), tmp_path, monkeypatch, rows_per_part)
    assert not any("counts" in note for note in series.notes)
    series = large("\n".join([*head, "T,99,"]), tmp_path, monkeypatch, rows_per_part)
    assert "large.csv: its last row counts 99 rows, and it has 10: rows were removed from it" in series.notes
