"""Names in files: the columns that Texas renamed, and the zones of New York as people call them."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from battery_lab.common.errors import DataError
from tests.market import operator_files as files

NIGHT = datetime(2024, 7, 1, 5, tzinfo=UTC)
AUTUMN = datetime(2024, 11, 3, tzinfo=files.TEXAS)


@pytest.mark.parametrize("flag", ["DSTFlag", "RepeatedHourFlag", "Repeated Hour Flag"])
@pytest.mark.parametrize("price", ["SettlementPointPrice", "CappedSettlementPointPrice", "Settlement Point Price"])
def test_old_and_new_columns_of_texas_are_read(tmp_path: Path, flag: str, price: str) -> None:
    header = files.ERCOT_HEADER.replace("SettlementPointPrice", price).replace("DSTFlag", flag)
    rows = files.ercot_rows(AUTUMN, [float(i) for i in range(100)])
    assert list(files.read("ercot", files.write(tmp_path / "x.csv", header, rows)).price) == list(range(100))


def test_texas_files_without_a_flag_are_read_in_the_order_of_their_rows(tmp_path: Path) -> None:
    flagged = files.ercot_rows(AUTUMN, [float(i) for i in range(100)])
    flagged += files.ercot_rows(AUTUMN, [-1.0] * 100, "HB_WEST")
    files.write(tmp_path / "x.csv", files.ERCOT_HEADER.removesuffix(",DSTFlag"), [row[:-2] for row in flagged])
    with pytest.raises(DataError, match="a second settlement point begins: HB_NORTH, HB_WEST"):
        files.read("ercot", tmp_path)
    assert list(files.read("ercot", tmp_path, settlement_point="HB_NORTH").price) == list(range(100))


def test_texas_files_with_and_without_a_flag_are_joined(tmp_path: Path) -> None:
    rows = files.ercot_rows(AUTUMN, [float(i) for i in range(200)])
    files.write(tmp_path / "a.csv", files.ERCOT_HEADER, rows[:100])
    files.write(tmp_path / "b.csv", files.ERCOT_HEADER.removesuffix(",DSTFlag"), [row[:-2] for row in rows[100:]])
    assert list(files.read("ercot", tmp_path).price) == list(range(200))


@pytest.mark.parametrize("zone", ["N.Y.C.", "NYC", "nyc", "Zone J", "J", "New York City"])
def test_new_york_city_has_many_names(tmp_path: Path, zone: str) -> None:
    rows = files.nyiso_rows(NIGHT, [1.0, 2.0]) + files.nyiso_rows(NIGHT, [3.0, 4.0], zone="LONGIL")
    series = files.read("nyiso", files.write(tmp_path / "x.csv", files.NYISO_HEADER, rows), zone=zone)
    assert (series.name, list(series.price)) == ("N.Y.C.", [1, 2])


USUAL_NAMES = {
    "Long Island": "LONGIL",
    "hudson valley": "HUD VL",
    "Mohawk Valley": "MHK VL",
    "Capital": "CAPITL",
    "Genesee": "GENESE",
    "Zone A": "WEST",
    "Hydro Quebec": "H Q",
    "Ontario": "O H",
    "POLETTI____": "POLETTI____",
}


@pytest.mark.parametrize(("zone", "name"), USUAL_NAMES.items())
def test_zones_of_new_york_are_known_by_their_usual_names(tmp_path: Path, zone: str, name: str) -> None:
    rows = files.nyiso_rows(NIGHT, [1.0, 2.0], zone=name) + files.nyiso_rows(NIGHT, [3.0, 4.0], zone="OTHER")
    file = files.write(tmp_path / "x.csv", files.NYISO_HEADER, rows)
    series = files.read("nyiso", file, zone=zone)
    assert (series.name, list(series.price)) == (name, [1, 2])


@pytest.mark.parametrize("unit", [" ($/MWHr)", " ($/MWh)", ""])
def test_prices_of_new_york_have_several_headers(tmp_path: Path, unit: str) -> None:
    header = files.NYISO_HEADER.replace("LBMP ($/MWHr)", f"LBMP{unit}")
    file = files.write(tmp_path / "x.csv", header, files.nyiso_rows(NIGHT, [1.0, 2.0]))
    assert list(files.read("nyiso", file).price) == [1, 2]
