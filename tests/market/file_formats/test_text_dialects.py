"""Text dialects: encodings, separators, decimal signs and thousands are found, or refused where nothing decides."""

from __future__ import annotations

import codecs
from pathlib import Path

import numpy as np
import pytest

from battery_lab.common.errors import DataError
from battery_lab.market.cells.cell_numbers import to_numbers
from battery_lab.market.file_formats.price_files import read_file
from tests.market import operator_files as files

BERLIN = {"time_zone": "Europe/Berlin", "currency": "EUR"}
STAMPS = [f"2024-01-01 {hour:02d}:00" for hour in range(6)]
PRICES = [1234.5, -7.25, 0.0, 65.49, 2.0, 1000.0]


def table(folder: Path, cells: list[str], separator: str = ",", name: str = "x.csv") -> Path:
    header = separator.join(["timestamp", "price"])
    return files.write(folder / name, header, [f"{s}{separator}{c}" for s, c in zip(STAMPS, cells, strict=False)])


@pytest.mark.parametrize(
    ("encoding", "mark"),
    [
        ("utf-8", b""),
        ("utf-8", codecs.BOM_UTF8),
        ("utf-16-le", codecs.BOM_UTF16_LE),
        ("utf-16-be", codecs.BOM_UTF16_BE),
        ("utf-16-le", b""),
        ("cp1252", b""),
    ],
)
def test_encodings_are_found(tmp_path: Path, encoding: str, mark: bytes) -> None:
    lines = ["timestamp,price,note", *(f"{stamp},{p!r},Zürich" for stamp, p in zip(STAMPS, PRICES, strict=True))]
    (tmp_path / "x.csv").write_bytes(mark + "\r\n".join(lines).encode(encoding))
    series = files.read("table", tmp_path, **BERLIN)
    assert series.price.tolist() == PRICES
    assert bool(series.notes) == (not encoding.startswith("utf-8"))


def test_windows_text_that_begins_far_down_is_found(tmp_path: Path) -> None:
    rows = [f"{np.datetime64('2024-01-01') + np.timedelta64(5 * i, 'm')},{i % 90},x" for i in range(9_000)]
    rows[8_500] = rows[8_500].replace(",x", ",ü")
    (tmp_path / "x.csv").write_bytes("\n".join(["timestamp,price,note", *rows]).encode("cp1252"))
    series = files.read("table", tmp_path, **BERLIN)
    assert len(series) == 9_000
    assert "x.csv: read as Windows text" in series.notes


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
@pytest.mark.parametrize("quote", ["", '"'])
def test_separators_are_found(tmp_path: Path, separator: str, quote: str) -> None:
    lines = [[stamp, repr(price), "a b"] for stamp, price in zip(STAMPS, PRICES, strict=True)]
    text = [separator.join(f"{quote}{cell}{quote}" for cell in row) for row in [["timestamp", "price", "x"], *lines]]
    (tmp_path / "x.csv").write_text("\n".join(text))
    series = files.read("table", tmp_path, **BERLIN)
    assert series.price.tolist() == PRICES
    assert bool(series.notes) == (separator != ",")


@pytest.mark.parametrize(
    ("cells", "prices"),
    [
        (["1234,5", "-7,25", "0", "65,49"], [1234.5, -7.25, 0, 65.49]),
        (["1.234,50", "-7,25", "12.345.678,0", "1.234"], [1234.5, -7.25, 12345678, 1234]),
        (["0,123", "1,234", "2,345"], [0.123, 1.234, 2.345]),
        (["1 234,5", "2 345", "7"], [1234.5, 2345, 7]),
        (["1\xa0234,567", "2\u202f345", "7"], [1234.567, 2345, 7]),
        (["1'234,50", "−5,5", "7"], [1234.5, -5.5, 7]),
        (["1234.5", "1,234.5", "65.49"], [1234.5, 1234.5, 65.49]),
        (["1,234,567.8", "1,234", "65"], [1234567.8, 1234, 65]),
        (["$1,234.50", "-$7.25", "($5.00)", "$ 3.5"], [1234.5, -7.25, -5, 3.5]),
        (["1.234,50 €", "€ 7,25", "8,00 EUR"], [1234.5, 7.25, 8]),
        (["A$12.5", "US$13", "14.25 AUD"], [12.5, 13, 14.25]),
        (["1,5E+03", "2,5", "3"], [1500, 2.5, 3]),
        (["12", "345", "6789"], [12, 345, 6789]),
    ],
)
def test_the_whole_column_decides_on_decimal_sign_and_thousands(
    tmp_path: Path, cells: list[str], prices: list[float]
) -> None:
    options = BERLIN | {"price_range": [-1e8, 1e8]}
    series = files.read("table", table(tmp_path, cells, ";"), **options)
    assert series.price.tolist() == prices
    quoted = files.read("table", table(tmp_path, [f'"{cell}"' for cell in cells]), **options)
    assert quoted.price.tolist() == prices


@pytest.mark.parametrize("cells", [["1,234", "2,345", "17"], ["1.234", "2.345", "17"], ["-1,234", "5"]])
def test_a_column_that_does_not_decide_is_refused_with_the_option(tmp_path: Path, cells: list[str]) -> None:
    file = table(tmp_path, cells, ";")
    message = r"x.csv, row 2: price is '-?1[,.]234', which is -?1\.?234 with a decimal point and -?1\.?234 with"
    with pytest.raises(DataError, match=rf"{message}.*market.decimal=point or market.decimal=comma"):
        files.read("table", file, **BERLIN)
    comma, point = (files.read("table", file, decimal=sign, **BERLIN).price[0] for sign in ("comma", "point"))
    assert {abs(comma), abs(point)} == {1.234, 1234}
    assert abs(comma) == (1.234 if "," in cells[0] else 1234)


def test_three_decimals_are_no_question_in_a_file_with_commas(tmp_path: Path) -> None:
    assert files.read("table", table(tmp_path, ["31.140", "19.730", "17.120"]), **BERLIN).price[0] == 31.14
    quoted = table(tmp_path, ['"1,234"', '"2,345"', "17"])
    with pytest.raises(DataError, match=r"price is '1,234', which is 1234 .* market.decimal=point"):
        files.read("table", quoted, **BERLIN)


def test_two_decimal_signs_in_a_column_are_refused(tmp_path: Path) -> None:
    file = table(tmp_path, ["1,5", "2,5", "3.75"], ";")
    with pytest.raises(DataError, match=r"row 4: price is '3.75', but '1,5' in row 2 has a decimal comma"):
        files.read("table", file, **BERLIN)
    with pytest.raises(DataError, match=r"row 2: price is '1,5', which is not a finite number"):
        files.read("table", file, decimal="point", **BERLIN)


@pytest.mark.parametrize("cell", ["", "-", "–", "NA", "n/a", "N/A", "#N/A", "#NV", "nan", "NULL", "None", " "])
def test_cells_without_a_number_are_missing_in_any_dialect(tmp_path: Path, cell: str) -> None:
    for separator, number in ((",", "5.5"), (";", "5,5")):
        file = table(tmp_path, [number, cell, number], separator)
        series = files.read("table", file, gaps="split", **BERLIN)
        assert series.gap.tolist() == [False, True, False]
        assert series.price.tolist() == [5.5, 5.5, 5.5]


def test_what_is_not_usual_is_noted_once_for_all_files(tmp_path: Path) -> None:
    for day in range(1, 4):
        rows = [f"2024-01-0{day} {hour:02d}:00;{hour},5" for hour in range(24)]
        files.write(tmp_path / f"{day}.csv", "timestamp;price", rows)
    notes = files.read("table", tmp_path, **BERLIN).notes
    assert notes == (
        "1.csv and 2 more files: cells separated by ';'",
        "1.csv and 2 more files: numbers with a decimal comma",
    )


def test_operators_files_are_read_in_any_dialect(tmp_path: Path) -> None:
    rows = files.aemo_rows(files.datetime(2024, 1, 1, tzinfo=files.UTC), [1.5, -2.25, 3.0])
    usual = files.read("aemo", files.write(tmp_path / "a.csv", files.AEMO_HEADER, rows))
    text = "\n".join([files.AEMO_HEADER, *rows]).replace(",", ";").replace(".", ",")
    (tmp_path / "b.csv").write_bytes(text.encode("utf-16"))
    assert files.read("aemo", tmp_path / "b.csv").digest == usual.digest


def test_a_file_that_is_not_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_bytes(bytes(range(256)) * 20)
    with pytest.raises(DataError, match="x.csv cannot be read: it is not text"):
        files.read("table", tmp_path, **BERLIN)


def test_the_layers_of_reading_need_no_market(tmp_path: Path) -> None:
    file = table(tmp_path, ["1,5", "2,5"], ";")
    rows = read_file(file)
    assert rows.index.tolist() == [2, 3]
    numbers = to_numbers(file, rows.index.to_series(), rows["price"], "price")
    assert numbers.tolist() == [1.5, 2.5]
