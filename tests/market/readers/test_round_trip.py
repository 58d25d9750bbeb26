"""Round trips: any regular series that is written in an operator's format is read back unchanged."""

from __future__ import annotations

import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
from hypothesis import given
from hypothesis import strategies as st

from battery_lab.market.market_series import MarketSeries
from tests.market import operator_files as files
from tests.market.intervals.drawn_stretches import quick, stretches

ZONES = ["America/New_York", "Europe/Berlin", "Australia/Melbourne", "Australia/Lord_Howe", "Asia/Kolkata", "UTC"]


def check_series(series: MarketSeries, start: datetime, prices: list[float], minutes: int) -> None:
    assert series.start[0] == np.datetime64(start.replace(tzinfo=None), "s")
    assert series.start.dtype == "datetime64[s]"
    assert np.all(np.diff(series.start) == np.timedelta64(minutes, "m"))
    assert series.price.tolist() == prices
    assert series.interval_h == minutes / 60
    assert not series.gap.any()


def in_files(folder: Path, header: str, rows: list[str], cut: int) -> Path:
    files.write(folder / "b.csv", header, rows[:cut])
    files.write(folder / "a.CSV", header, rows[cut:])
    return folder


@quick
@given(data=st.data(), minutes=st.sampled_from([5, 30]), dashes=st.booleans())
def test_aemo_round_trip_in_both_date_formats(data: st.DataObject, minutes: int, dashes: bool) -> None:
    start, prices = data.draw(stretches(minutes))
    rows = files.aemo_rows(start, prices, minutes)
    rows = [row.replace("/", "-") for row in rows] if dashes else rows
    with tempfile.TemporaryDirectory() as folder:
        cut = data.draw(st.integers(1, len(rows) - 1))
        series = files.read("aemo", in_files(Path(folder), files.AEMO_HEADER, rows, cut))
    check_series(series, start, prices, minutes)
    np.testing.assert_array_equal(series.columns["demand_mw"], 5000 + series.price)


@quick
@given(data=st.data(), minutes=st.sampled_from([5, 15, 60]), end=st.booleans())
def test_nyiso_round_trip_through_both_clock_changes(data: st.DataObject, minutes: int, end: bool) -> None:
    start, prices = data.draw(stretches(minutes))
    others = files.nyiso_rows(start, [-1.0] * len(prices), minutes, "WEST", end)
    rows = files.nyiso_rows(start, prices, minutes, end=end)
    both = [row for pair in zip(others, rows, strict=True) for row in pair]
    with tempfile.TemporaryDirectory() as folder:
        file = files.write(Path(folder) / "x.csv", files.NYISO_HEADER, both)
        series = files.read("nyiso", file, zone="n.y.c.", stamps="end" if end else "start")
    check_series(series, start, prices, minutes)


@quick
@given(data=st.data(), minutes=st.sampled_from([5, 15, 60]), price=st.sampled_from(["MW", "VALUE", "PRC"]))
def test_caiso_round_trip_in_any_order_of_rows(data: st.DataObject, minutes: int, price: str) -> None:
    start, prices = data.draw(stretches(minutes))
    rows = files.caiso_rows(start, prices, minutes)
    np.random.default_rng(len(rows)).shuffle(rows)
    with tempfile.TemporaryDirectory() as folder:
        cut = data.draw(st.integers(len(prices) + 1, len(rows) - 1))
        series = files.read("caiso", in_files(Path(folder), files.CAISO_HEADER.format(price=price), rows, cut))
    check_series(series, start, prices, minutes)


@quick
@given(data=st.data())
def test_ercot_round_trip_through_both_clock_changes(data: st.DataObject) -> None:
    start, prices = data.draw(stretches(15))
    rows = files.ercot_rows(start, prices) + files.ercot_rows(start, prices, "LZ_WEST", "LZ")
    with tempfile.TemporaryDirectory() as folder:
        series = files.read(
            "ercot", files.write(Path(folder) / "x.csv", files.ERCOT_HEADER, rows), settlement_point="HB_NORTH"
        )
    check_series(series, start, prices, 15)


@quick
@given(
    data=st.data(),
    zone=st.sampled_from(ZONES),
    minutes=st.sampled_from([5, 10, 30, 60]),
    end=st.booleans(),
    form=st.sampled_from(["naive", "offset", "utc"]),
    ending=st.sampled_from([".csv", ".csv.gz", ".parquet"]),
)
def test_table_round_trip_on_any_clock(
    data: st.DataObject, zone: str, minutes: int, end: bool, form: str, ending: str
) -> None:
    start, prices = data.draw(stretches(minutes))
    shift = timedelta(minutes=minutes if end else 0)
    local = [(time + shift).astimezone(ZoneInfo(zone)) for time in files.times(start, len(prices), minutes)]
    stamps = {
        "naive": [time.replace(tzinfo=None).isoformat(sep=" ") for time in local],
        "offset": [time.isoformat() for time in local],
        "utc": [f"{time.astimezone(UTC):%Y-%m-%dT%H:%M}Z" for time in local],
    }[form]
    frame = pd.DataFrame({"when": stamps, "eur": prices, "load": [2 * price for price in prices]})
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / f"prices{ending}"
        if ending == ".parquet":
            frame["when"] = [np.datetime64(s) for s in stamps] if form == "naive" else [pd.Timestamp(t) for t in local]
            frame.to_parquet(file)
        else:
            frame.to_csv(file, index=False)
        options = {"timestamp": "when", "price": "eur", "columns.demand_mw": "load", "lead_h.demand_mw": 24}
        series = files.read("table", file, time_zone=zone, currency="EUR", stamps="end" if end else "start", **options)
    check_series(series, start, prices, minutes)
    assert (series.name, series.currency, series.time_zone, series.lead_h) == ("prices", "EUR", zone, {"demand_mw": 24})
    assert series.columns["demand_mw"].tolist() == [2 * price for price in prices]
