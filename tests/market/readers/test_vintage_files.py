"""Vintage files: forecasts in tables beside a table of prices, their stamps and their errors."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from battery_lab.common.errors import ConfigError, DataError
from battery_lab.market.market_series import MarketSeries
from tests.market import operator_files as files

BERLIN = {"time_zone": "Europe/Berlin", "currency": "EUR"}
HEADER = "issued,start,value"
ROWS = [
    "2024-05-01T00:02Z,2024-05-01T00:30Z,10",
    "2024-05-01T00:02Z,2024-05-01T01:00Z,11",
    "2024-05-01T00:32Z,2024-05-01T01:00Z,",
    "2024-05-01T00:32Z,2024-05-01T01:30Z,21",
]


def entry(path: Path, **changes: str) -> dict[str, str]:
    return {"path": str(path), "issued": "issued", "start": "start", "value": "value", "quantity": "price"} | changes


def load(folder: Path, forecasts: dict[str, Any], **changes: Any) -> MarketSeries:
    rows = [f"2024-05-01T{hour:02d}:00Z,{hour}" for hour in range(24)]
    prices = files.write(folder / "prices" / "p.csv", "timestamp,price", rows)
    options = {f"forecasts.{name}": value for name, value in forecasts.items()}
    return files.read("table", prices, **BERLIN | options | changes)


def values(series: MarketSeries, time: str, name: str = "predispatch") -> dict[str, float]:
    vintage = series.forecasts[name].as_of(np.datetime64(time, "s"))
    assert vintage is not None
    return {str(start)[11:16]: value for start, value in zip(vintage.start, vintage.values.tolist(), strict=True)}


def test_forecasts_are_read_beside_prices(tmp_path: Path) -> None:
    file = files.write(tmp_path / "f.csv", HEADER, ROWS)
    series = load(tmp_path, {"predispatch": entry(file)})
    known = series.forecasts["predispatch"]
    assert (known.name, known.quantity, known.step_h, len(known)) == ("predispatch", "price", 0.5, 2)
    assert values(series, "2024-05-01T00:10") == {"00:30": 10, "01:00": 11}
    # The newer run has a blank for 01:00, so the value of the run before stands.
    assert values(series, "2024-05-01T00:40") == {"00:30": 10, "01:00": 11, "01:30": 21}


def test_files_of_a_folder_are_joined_and_parquet_is_read(tmp_path: Path) -> None:
    frame = pd.DataFrame([row.split(",") for row in ROWS], columns=HEADER.split(","))
    for name in ("issued", "start"):
        frame[name] = pd.to_datetime(frame[name])
    frame["value"] = pd.to_numeric(frame["value"])
    (tmp_path / "f").mkdir()
    for number, part in enumerate((frame[1:], frame[:1])):
        part.to_parquet(tmp_path / "f" / f"{number}.parquet")
    text = files.write(tmp_path / "f.csv", HEADER, ROWS)
    joined, single = (load(tmp_path, {"predispatch": entry(path)}) for path in (tmp_path / "f", text))
    assert joined.digest == single.digest


def test_stamps_without_an_offset_are_on_the_clock_of_the_table_and_may_mark_the_end(tmp_path: Path) -> None:
    rows = [row.replace("Z", "") for row in ROWS]
    file = files.write(tmp_path / "f.csv", HEADER, rows)
    series = load(tmp_path, {"predispatch": entry(file)}, stamps="end", stamp_time_zone="Etc/GMT-2")
    assert values(series, "2024-04-30T22:10") == {"22:00": 10, "22:30": 11}


def test_the_cache_notices_changed_forecasts(tmp_path: Path) -> None:
    file, cache = files.write(tmp_path / "f.csv", HEADER, ROWS), str(tmp_path / "cache")
    first = load(tmp_path, {"predispatch": entry(file)}, cache=cache)
    assert load(tmp_path, {"predispatch": entry(file)}, cache=cache).digest == first.digest
    files.write(tmp_path / "f.csv", HEADER, [row.replace("21", "22") for row in ROWS])
    assert load(tmp_path, {"predispatch": entry(file)}, cache=cache).digest != first.digest


@pytest.mark.parametrize(
    ("rows", "problem"),
    [
        (
            ["2024-05-01T00:02Z,2024-05-01T00:30Z,10", "2024-05-01T00:02Z,2024-05-01T00:30Z,12"],
            "two values|no run with",
        ),
        (["2024-05-01T00:02Z,2024-05-01T00:30Z,ten"], r"f\.csv, row 2: value is 'ten'"),
        (["2024-05-01T00:02Z,soon,10"], r"f\.csv, row 2: the time stamp is 'soon'"),
        (["2024-10-27T02:30,2024-10-27T04:00,10"], r"row 2: 2024-10-27 02:30:00 does not exist .* or occurs twice"),
        (["2024-03-31T01:30,2024-03-31T02:30,10"], r"row 2: 2024-03-31 02:30:00 does not exist"),
    ],
)
def test_rows_that_are_refused(tmp_path: Path, rows: list[str], problem: str) -> None:
    file = files.write(tmp_path / "f.csv", HEADER, rows)
    with pytest.raises(DataError, match=problem):
        load(tmp_path, {"predispatch": entry(file)})


def test_a_missing_column_names_its_option(tmp_path: Path) -> None:
    file = files.write(tmp_path / "f.csv", HEADER, ROWS)
    with pytest.raises(DataError, match=r"no column 'written'.*market\.forecasts\.predispatch\.issued=\.\.\."):
        load(tmp_path, {"predispatch": entry(file, issued="written")})


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("p", {"quantity": None}, r"market\.forecasts\.p\.quantity is missing"),
        ("p", {"values": "v"}, r"market\.forecasts\.p\.values is not an option"),
        ("p", {"path": ""}, r"market\.forecasts\.p\.path must be a file, a folder or a glob"),
        ("price", {}, r"market\.forecasts must have names .* that are no columns, got 'price'"),
    ],
)
def test_entries_that_are_refused(name: str, change: dict[str, Any], message: str) -> None:
    fields = {key: value for key, value in (entry(Path("f.csv")) | change).items() if value is not None}
    with pytest.raises(Exception, match=message) as caught:
        files.market("table", "x.csv", **BERLIN | {f"forecasts.{name}": fields})
    assert isinstance(caught.value.__cause__ or caught.value, ConfigError)
