"""AEMO's forecasts: monthly tables, reports by run in archives and cached tables give the same runs."""

from __future__ import annotations

import zipfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.feather as feather
import pytest

from battery_lab.common.errors import ConfigError, DataError
from battery_lab.market.market_series import MarketSeries
from tests.market import operator_files as files
from tests.market.operator_reports import nem_report, price_table, text

MIDNIGHT = pd.Timestamp("2024-01-01")
STAMP = "%Y/%m/%d %H:%M:%S"
REGIONS = {"NSW1": 0, "VIC1": 500}
HEAD = {
    "aemo_predispatch": "PREDISPATCH,REGION_PRICES,2,PREDISPATCHSEQNO,RUNNO,REGIONID,PERIODID,INTERVENTION,RRP,EEP,"
    "LASTCHANGED,DATETIME",
    "aemo_p5min": "P5MIN,REGIONSOLUTION,6,RUN_DATETIME,INTERVENTION,INTERVAL_DATETIME,REGIONID,RRP,ROP,LASTCHANGED,"
    "TOTALDEMAND",
}


def runs(form: str) -> list[pd.DataFrame]:
    """Return the tables of six runs of three intervals, each written 90 seconds after its first interval begins."""
    step = pd.Timedelta(minutes=30 if form == "aemo_predispatch" else 5)
    tables = []
    for number in range(6):
        begin = MIDNIGHT + number * step
        labels = {"PREDISPATCHSEQNO": 2024010101 + number, "RUN_DATETIME": begin + step, "RUNNO": 1}
        labels |= {"LASTCHANGED": begin + pd.Timedelta(seconds=90), "EEP": 0, "ROP": 1, "TOTALDEMAND": 5_000 + number}
        rows = [
            labels
            | {"DATETIME": begin + (k + 1) * step, "INTERVAL_DATETIME": begin + (k + 1) * step, "PERIODID": k + 1}
            | {"REGIONID": region, "INTERVENTION": other, "RRP": 100 * number + 10 * k + more + 7 * other}
            for k in range(3)
            for region, more in REGIONS.items()
            for other in (0, 1)
        ]
        tables.append(pd.DataFrame(rows)[HEAD[form].split(",")[3:]])
    return tables


def with_text(table: pd.DataFrame, form: str = STAMP) -> pd.DataFrame:
    """Return a table with its times as text."""
    times = table.select_dtypes("datetime").columns
    return table.assign(**{name: table[name].dt.strftime(form) for name in times})


def report(form: str, table: pd.DataFrame) -> list[str]:
    """Return a report that has the table after one of another kind."""
    names = HEAD[form].split(",")[:3]
    case = [f"I,{names[0]},CASESOLUTION,1,RUN_DATETIME,RRP2", f"D,{names[0]},CASESOLUTION,1,x,1"]
    cells = with_text(table, f'"{STAMP}"')
    rows = [",".join(map(str, ("D", *names, *row))) for row in cells.itertuples(index=False)]
    return nem_report([*case, f"I,{HEAD[form]}", *rows])


def load(folder: Path, path: Path | str, form: str, **changes: Any) -> MarketSeries:
    prices = folder / "prices" / "PUBLIC_DISPATCHIS.CSV"
    if not prices.exists():
        prices.parent.mkdir()
        text(prices, nem_report(price_table(datetime(2023, 12, 31, 14, tzinfo=UTC), [100.0 + k for k in range(36)])))
    return files.read("nemweb", prices, **{"forecasts.f": {"format": form, "path": str(path)} | changes})


@pytest.mark.parametrize("form", list(HEAD))
def test_every_form_of_the_files_gives_the_same_runs(tmp_path: Path, form: str) -> None:
    tables = runs(form)
    month = text(tmp_path / "PUBLIC_DVD_202401010000.CSV", report(form, pd.concat(tables)))
    for folder in ("zips", "cache"):
        (tmp_path / folder).mkdir()
    for number, table in enumerate(tables):
        part = text(tmp_path / "part.CSV", report(form, table))
        with zipfile.ZipFile(tmp_path / "zips" / f"PUBLIC_{number}.zip", "w") as archive:
            archive.write(part, f"PUBLIC_{number}.CSV")
        table.to_parquet(tmp_path / "cache" / f"{number}.parquet")
    cells = with_text(pd.concat(tables)).astype({"INTERVENTION": float})
    feather.write_feather(pa.Table.from_pandas(cells, preserve_index=False), tmp_path / "x.feather")
    cells.to_csv(tmp_path / "plain.csv", index=False)
    paths = (month, tmp_path / "zips", tmp_path / "cache", tmp_path / "x.feather", tmp_path / "plain.csv")
    known, *others = (load(tmp_path, path, form, region="VIC1").forecasts["f"] for path in paths)
    assert len(known) == 6
    assert [other.digest for other in others] == [known.digest] * len(others)
    begin, step = np.datetime64("2023-12-31T14:00:00"), np.timedelta64(round(known.step_h * 3600), "s")
    assert known.as_of(begin + np.timedelta64(89, "s")) is None
    seen = known.as_of(begin + 2 * step + np.timedelta64(90, "s"))
    assert seen is not None
    # The third run of the region, without intervention.
    assert seen.values.tolist() == [700, 710, 720]
    assert seen.start.tolist() == [(begin + (2 + k) * step).item() for k in range(3)]


def test_the_region_is_that_of_the_prices_and_another_one_or_another_column_may_be_chosen(tmp_path: Path) -> None:
    file = text(tmp_path / "x.CSV", report("aemo_p5min", pd.concat(runs("aemo_p5min"))))
    now = np.datetime64("2023-12-31T14:01:30")
    first = {"VIC1": 500, "nsw1": 0}
    for region, value in ((None, first["VIC1"]), ("nsw1", first["nsw1"])):
        seen = load(tmp_path, file, "aemo_p5min", region=region).forecasts["f"].as_of(now)
        assert seen is not None
        assert seen.values[0] == value
    load_mw = load(tmp_path, file, "aemo_p5min", value="TOTALDEMAND", quantity="demand_mw").forecasts["f"]
    seen = load_mw.as_of(now)
    assert seen is not None
    assert (load_mw.quantity, seen.values[0]) == ("demand_mw", 5_000)
    with pytest.raises(DataError, match=r"forecasts\.f: no row of .* is of region TAS1, only of NSW1, VIC1"):
        load(tmp_path, file, "aemo_p5min", region="TAS1")


def test_files_of_another_kind_and_cut_ones_are_refused(tmp_path: Path) -> None:
    content = text(tmp_path / "x.CSV", report("aemo_p5min", pd.concat(runs("aemo_p5min"))))
    with pytest.raises(DataError, match=r"no table of PREDISPATCH .* only P5MIN\.CASESOLUTION, P5MIN\.REGIONSOLUTION"):
        load(tmp_path, content, "aemo_predispatch")
    half = content.read_text()[:2_000]
    (tmp_path / "cut.CSV").write_text(half)
    with pytest.raises(DataError, match=r"cut\.CSV, row \d+: "):
        load(tmp_path, tmp_path / "cut.CSV", "aemo_p5min")
    pd.DataFrame({"REGIONID": ["VIC1"], "RRP": 1.0}).to_parquet(tmp_path / "x.parquet")
    with pytest.raises(DataError, match=r"no column LASTCHANGED.*forecasts\.f\.path must name AEMO"):
        load(tmp_path, tmp_path / "x.parquet", "aemo_p5min")


def test_a_table_of_prices_needs_the_region_of_its_forecasts(tmp_path: Path) -> None:
    file = text(tmp_path / "x.CSV", report("aemo_p5min", pd.concat(runs("aemo_p5min"))))
    rows = [f"2024-01-01T00:{5 * k:02d}:00+10:00,{100 + k}" for k in range(12)]
    prices = files.write(tmp_path / "p.csv", "timestamp,price", rows)
    options: dict[str, Any] = {"time_zone": "Australia/Melbourne", "currency": "AUD"}
    entry = {"format": "aemo_p5min", "path": str(file)}
    assert len(files.read("table", prices, **options | {"forecasts.f": entry | {"region": "VIC1"}}).forecasts["f"]) == 6
    with pytest.raises(ConfigError, match=r"market\.forecasts\.f\.region must be a region"):
        files.read("table", prices, **options | {"forecasts.f": entry})


def test_a_market_of_an_operator_reads_no_plain_tables(tmp_path: Path) -> None:
    with pytest.raises(Exception, match=r"forecasts\.f\.format must be aemo_predispatch or aemo_p5min, got 'table'"):
        load(tmp_path, tmp_path, "table")
