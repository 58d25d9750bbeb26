"""Many files: thousands of small files are read together, as if each were read alone, and where selects rows."""

from __future__ import annotations

import gzip
import time
import zipfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from battery_lab.common.errors import DataError
from tests.market import operator_files as files
from tests.market import operator_reports as reports

BERLIN = {"time_zone": "Europe/Berlin", "currency": "EUR"}
TEXAS_DAY = datetime(2024, 11, 3, tzinfo=files.TEXAS)


def one_row_files(folder: Path, count: int, start: datetime = TEXAS_DAY) -> list[Path]:
    """Write a file for each interval, as ERCOT publishes them, with a second settlement point."""
    hub = files.ercot_rows(start, [float(i) for i in range(count)])
    zone = files.ercot_rows(start, [-1.0] * count, "LZ_WEST", "LZ")
    return [
        files.write(folder / f"{7 * i % count:05d}.csv", files.ERCOT_HEADER, [b, a])
        for i, (a, b) in enumerate(zip(hub, zone, strict=True))
    ]


def test_files_read_together_are_as_files_read_alone(tmp_path: Path) -> None:
    written = one_row_files(tmp_path / "many", 100)
    together = files.read("ercot", tmp_path / "many", settlement_point="HB_NORTH")
    assert together.price.tolist() == [float(i) for i in range(100)]
    lines = [line for file in written for line in file.read_text().splitlines()[1:]]
    whole = files.write(tmp_path / "whole.csv", files.ERCOT_HEADER, lines)
    assert files.read("ercot", whole, settlement_point="HB_NORTH").digest == together.digest


def test_an_error_in_one_of_many_files_names_it_and_the_row(tmp_path: Path) -> None:
    wrong = one_row_files(tmp_path, 100)[73]
    content = wrong.read_text()
    wrong.write_text(content.replace(",73.0,", ",cheap,"))
    with pytest.raises(DataError, match=rf"{wrong.name}, row 3: SettlementPointPrice is 'cheap'"):
        files.read("ercot", tmp_path, settlement_point="HB_NORTH")
    wrong.write_text(content.replace("DeliveryHour", "Hour"))
    with pytest.raises(DataError, match=rf"{wrong.name}, row 1: there is no column DeliveryHour"):
        files.read("ercot", tmp_path, settlement_point="HB_NORTH")
    wrong.write_text(content.replace(",73.0,", ",1e9,"))
    with pytest.raises(DataError, match=rf"{wrong.name}, row 3: the price is 1,000,000,000"):
        files.read("ercot", tmp_path, settlement_point="HB_NORTH")
    wrong.write_text(content.replace(content.splitlines()[2], "broken, row, with, far, too, many, cells, for, it"))
    with pytest.raises(DataError, match=rf"{wrong.name} is not a complete table"):
        files.read("ercot", tmp_path, settlement_point="HB_NORTH")


def test_many_files_of_several_dialects(tmp_path: Path) -> None:
    for i, file in enumerate(one_row_files(tmp_path, 90)):
        if i % 3 == 1:
            file.write_text(file.read_text().replace(".", ",").replace(",0,", ".0,"))
            file.write_bytes(file.read_text().encode("utf-16"))
        elif i % 3 == 2:
            file.write_text("\n\n" + file.read_text())
    series = files.read("ercot", tmp_path, settlement_point="HB_NORTH")
    assert series.price.tolist() == [float(i) for i in range(90)]
    assert any("UTF-16" in note for note in series.notes)


@pytest.mark.parametrize("ending", [".zip", ".csv.gz"])
def test_a_thousand_archives_with_one_row_each_are_read_in_seconds(tmp_path: Path, ending: str) -> None:
    count = 1_000
    for i, row in enumerate(files.ercot_rows(TEXAS_DAY, [float(i) for i in range(count)])):
        text = f"{files.ERCOT_HEADER}\n{row}\n"
        if ending == ".zip":
            with zipfile.ZipFile(tmp_path / f"{i}.zip", "w") as archive:
                archive.writestr(f"{i}.csv", text)
        else:
            (tmp_path / f"{i}.csv.gz").write_bytes(gzip.compress(text.encode()))
    begin = time.process_time()
    series = files.read("ercot", tmp_path)
    # 35,000 of them, a year, may take two minutes.
    assert time.process_time() - begin < 120 / 35
    assert series.price.tolist() == [float(i) for i in range(count)]


def nodes(folder: Path, name: str = "x.csv") -> Path:
    hours = [datetime(2024, 1, 1, tzinfo=UTC) + timedelta(hours=hour) for hour in range(24)]
    rows = [
        f"{stamp:%Y-%m-%dT%H:%MZ},{node},{number},{kind},{hour + number}"
        for hour, stamp in enumerate(hours)
        for number, (node, kind) in enumerate((("WESTERN HUB", "HUB"), ("AEP", "ZONE"), ("Western Hub 2", "HUB")))
    ]
    return files.write(folder / name, "timestamp,pnode_name,pnode_id,type,price", rows)


@pytest.mark.parametrize(
    ("where", "first"),
    [
        ({"pnode_name": "AEP"}, 1),
        ({"pnode_name": "western hub"}, 0),
        ({"PNODE NAME": " WESTERN HUB "}, 0),
        ({"pnode_id": 2}, 2),
        ({"pnode_id": [1]}, 1),
        ({"pnode_id": 2.0}, 2),
        ({"type": ["HUB", "BUS"], "pnode_id": "0"}, 0),
    ],
)
def test_where_selects_rows(tmp_path: Path, where: dict[str, object], first: int) -> None:
    series = files.read("table", nodes(tmp_path), where=where, **BERLIN)
    assert series.price.tolist() == [hour + first for hour in range(24)]


def test_where_selects_rows_of_typed_columns(tmp_path: Path) -> None:
    table = pd.read_csv(nodes(tmp_path)).assign(current=lambda rows: rows["pnode_id"] == 1)
    table["pnode_id"] = table["pnode_id"].astype(float)
    table.to_parquet(tmp_path / "x.parquet")
    for where in ({"pnode_id": 1}, {"current": True}, {"pnode_name": "AEP"}):
        assert files.read("table", tmp_path / "x.parquet", where=where, **BERLIN).price[0] == 1


def test_where_finds_nothing(tmp_path: Path) -> None:
    file = nodes(tmp_path)
    message = (
        r"market.where.pnode_name=weston hub: no row of .*x.csv has it, only WESTERN HUB, AEP, Western Hub 2; did you"
    )
    with pytest.raises(DataError, match=f"{message} mean WESTERN HUB"):
        files.read("table", file, where={"pnode_name": "WESTON HUB"}, **BERLIN)
    with pytest.raises(DataError, match="there is no column node, only timestamp, pnode_name.* Correct market.where"):
        files.read("table", file, where={"node": "AEP"}, **BERLIN)
    with pytest.raises(DataError, match="market.where.type=hub: no row of .*x.csv has it, only ZONE"):
        files.read("table", file, where={"pnode_name": "AEP", "type": "HUB"}, **BERLIN)
    with pytest.raises(DataError, match=r"row 4: .* already exists in row 2, with another price"):
        files.read("table", file, where={"type": "HUB"}, **BERLIN)


def test_where_applies_to_operators_and_to_files_that_lack_the_value(tmp_path: Path) -> None:
    rows = files.aemo_rows(datetime(2024, 1, 1, tzinfo=UTC), [1.0, 2.0, 3.0])
    others = [row.replace("TRADE", "PREDISPATCH").replace(",1.0,", ",9.0,") for row in rows]
    files.write(tmp_path / "a.csv", files.AEMO_HEADER, others)
    files.write(tmp_path / "b.csv", files.AEMO_HEADER, others + rows)
    assert files.read("aemo", tmp_path, where={"PERIODTYPE": "TRADE"}).price.tolist() == [1, 2, 3]


def parts(folder: Path, padding: int) -> Path:
    """Write a file of more rows than are parsed at once, with a repeated header in the second part and a trailer."""
    first, rows = datetime(2024, 1, 1, tzinfo=UTC), []
    for i in range(70_000):
        stamp = f"{first + timedelta(minutes=5 * i):%Y-%m-%dT%H:%MZ}"
        rows += [f"{stamp},{node},{i % 90 + number},{'x' * padding}" for number, node in enumerate("ABC")]
    rows.insert(205_000, "timestamp,node,price,note")
    return files.write(folder / "x.csv", "timestamp,node,price,note", [*rows, "End of report"])


# Of a file above 64 MiB, only the columns that are used are read.
@pytest.mark.parametrize("padding", [1, pytest.param(300, marks=pytest.mark.walk)])
def test_a_large_file_is_read_in_parts(tmp_path: Path, padding: int) -> None:
    series = files.read("table", parts(tmp_path, padding), where={"node": "B"}, **BERLIN)
    assert series.price.tolist() == [i % 90 + 1 for i in range(70_000)]
    assert "x.csv: left out: repeated headers (1), trailers (1)" in series.notes


@pytest.mark.parametrize(
    ("where", "message"),
    [
        ({"a": []}, "market.where.a must be a value or a list"),
        ({"a": None}, "market.where.a"),
        ({"a": {"b": 1}}, "where.a"),
    ],
)
def test_where_is_checked(where: dict[str, object], message: str) -> None:
    with pytest.raises(Exception, match=message):
        files.market("table", "x.csv", where=where, **BERLIN)


def test_groups_of_files_are_read_before_the_next_ones_are_opened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written = one_row_files(tmp_path, 100)
    for file in written[::2]:
        file.write_text(file.read_text().replace("DeliveryHour", "delivery hour"))
    monkeypatch.setattr("battery_lab.market.readers.joined_files.GROUP_BYTES", 1000)
    series = files.read("ercot", tmp_path, settlement_point="HB_NORTH")
    assert series.price.tolist() == [float(i) for i in range(100)]


SELECTED = {
    "pjm": (reports.PJM_HEADER.format(run="rt"), reports.pjm_rows, "node"),
    "spp": (reports.SPP_HEADER, lambda *a, node, **k: reports.spp_rows(*a, location=node, **k), "location"),
    "nyiso": (files.NYISO_HEADER, lambda *a, node, **k: files.nyiso_rows(*a, zone=node, **k), "zone"),
    "caiso": (files.CAISO_HEADER.format(price="MW"), files.caiso_rows, "node"),
    "elexon": (reports.MARKET_INDEX, lambda *a, node, minutes: reports.market_index_rows(*a, node), "provider"),
}


@pytest.mark.parametrize("option", sorted(SELECTED))
@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_rows_that_no_option_chooses_are_never_parsed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, option: str, ending: str
) -> None:
    for module in ("csv_files", "price_files"):
        monkeypatch.setattr(f"battery_lab.market.file_formats.{module}.ROWS_PER_PART", 5)
    monkeypatch.setattr("battery_lab.market.file_formats.price_files.LARGE_FILE", 0)
    header, rows_of, selector = SELECTED[option]
    start, names = datetime(2024, 7, 1, 5, tzinfo=UTC), ("X1", "X2", "X3")
    prices = np.arange(36.0).reshape(3, 12).tolist()
    each = [rows_of(start, of_name, minutes=60, node=name) for name, of_name in zip(names, prices, strict=True)]
    rows = [row for group in zip(*each, strict=True) for row in group]
    file = files.write(tmp_path / "RTBM-LMP.csv", header, rows)
    if ending == "parquet":
        table = pd.read_csv(file, dtype=str, keep_default_na=False)
        file.unlink()
        table.to_parquet(tmp_path / "RTBM-LMP.parquet", row_group_size=7)
    for name, of_name in zip(names, prices, strict=True):
        assert files.read(option, tmp_path, **{selector: name.lower()}).price.tolist() == of_name
    with pytest.raises(DataError, match=rf"market.{selector}=X4: no row .* has it, only X1, X2, X3. Choose one"):
        files.read(option, tmp_path, **{selector: "X4"})
    with pytest.raises(DataError, match=rf"a second {selector} begins: X1, X2, X3"):
        files.read(option, tmp_path)
    if ending == "csv":
        files.write(file, header, [row.replace(",24.0", ",cheap") for row in rows])
        assert files.read(option, tmp_path, **{selector: "X1"}).price.tolist() == prices[0]
        with pytest.raises(DataError, match="is 'cheap'"):
            files.read(option, tmp_path, **{selector: "X3"})
