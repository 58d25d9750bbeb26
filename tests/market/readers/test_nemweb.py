"""AEMO's reports: which tables and rows hold prices, what is counted, and what is refused."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from battery_lab.common.errors import DataError
from tests.market import operator_files as files
from tests.market.operator_reports import nem_report, price_table, text

NIGHT = datetime(2024, 1, 1, tzinfo=UTC)
FORECAST = [
    "I,PREDISPATCH,REGION_PRICES,2,PREDISPATCHSEQNO,RUNNO,REGIONID,PERIODID,INTERVENTION,RRP,DATETIME",
    'D,PREDISPATCH,REGION_PRICES,2,2024010101,1,VIC1,1,0,55.0,"2024/01/01 10:30:00"',
]
P5MIN = [
    "I,P5MIN,REGIONSOLUTION,5,RUN_DATETIME,INTERVAL_DATETIME,REGIONID,RRP",
    'D,P5MIN,REGIONSOLUTION,5,"2024/01/01 10:05:00","2024/01/01 10:05:00",VIC1,66.0',
]


def test_rows_with_an_intervention_set_no_price_and_are_counted(tmp_path: Path) -> None:
    rows = price_table(NIGHT, [10.0, 20.0, 30.0])
    physical = price_table(NIGHT, [91.0, 92.0, 93.0], intervention=1)[1:]
    series = files.read("nemweb", text(tmp_path / "x.CSV", nem_report([rows[0], *physical, *rows[1:]])))
    assert list(series.price) == [10, 20, 30]
    assert series.notes == ("x.CSV: 3 rows with INTERVENTION=1 were left out, as they set no price",)
    assert (series.name, series.time_zone, series.currency) == ("VIC1", "Australia/Melbourne", "AUD")
    assert series.start[0] == np.datetime64("2024-01-01T00:00")


def test_prices_of_mixed_reports_are_chosen_and_forecasts_are_left_out(tmp_path: Path) -> None:
    demand = ["I,DISPATCH,REGIONSUM,4,SETTLEMENTDATE,REGIONID,TOTALDEMAND", 'D,DISPATCH,REGIONSUM,4,"x",VIC1,5000']
    trading = price_table(NIGHT, [7.0, 8.0], table="TRADING,PRICE,3")
    rows = [*P5MIN, *price_table(NIGHT, [10.0, 20.0, 30.0]), *demand, *trading, *FORECAST]
    file = text(tmp_path / "PUBLIC_DISPATCHIS_202401010005.CSV", nem_report(rows))
    series = files.read("nemweb", file, product="dispatch")
    assert list(series.price) == [10, 20, 30]
    assert series.notes == (
        "PUBLIC_DISPATCHIS_202401010005.CSV: the tables P5MIN.REGIONSOLUTION, PREDISPATCH.REGION_PRICES are forecasts, "
        "and were left out",
    )
    assert list(files.read("nemweb", file, product="trading").price) == [7, 8]
    with pytest.raises(
        DataError, match=r"a second product begins: dispatch, trading\. Choose one with market\.product"
    ):
        files.read("nemweb", file)


@pytest.mark.parametrize("rows", [FORECAST, P5MIN])
def test_forecasts_are_never_prices(tmp_path: Path, rows: list[str]) -> None:
    file = text(tmp_path / "PUBLIC_X.CSV", nem_report(rows))
    with pytest.raises(DataError, match=r"no table of prices: it has \w+\.\w+, which are forecasts, no settled prices"):
        files.read("nemweb", file)


@pytest.mark.parametrize("column", ["PREDISPATCHSEQNO", "PREDISPATCH_RUN_DATETIME", "RUN_DATETIME"])
def test_cached_forecasts_are_never_prices(tmp_path: Path, column: str) -> None:
    frame = pd.DataFrame({"SETTLEMENTDATE": ["2024/01/01 00:05:00"], "REGIONID": "VIC1", "RRP": 1.0, column: "x"})
    frame.to_parquet(tmp_path / "x.parquet")
    with pytest.raises(DataError, match="holds forecasts"):
        files.read("nemweb", tmp_path / "x.parquet")


def test_a_report_without_prices_names_its_tables(tmp_path: Path) -> None:
    file = text(tmp_path / "x.CSV", nem_report(["I,DUNIT,,3,SETTLEMENTDATE,DUID", 'D,DUNIT,,3,"2024/01/01",A']))
    with pytest.raises(DataError, match="it has DUNIT, none of which holds settled prices"):
        files.read("nemweb", file)


@pytest.mark.parametrize(("count", "words"), [(45_388, "rows were removed from it"), (2, "rows were added to it")])
def test_the_count_of_the_last_row_is_compared(tmp_path: Path, count: int, words: str) -> None:
    file = text(tmp_path / "x.CSV", nem_report(price_table(NIGHT, [10.0, 20.0, 30.0]), count))
    (note,) = files.read("nemweb", file).notes
    assert note == f"x.CSV: its last row counts {count:,} rows, and it has 6: {words}"


def test_a_right_count_is_no_note_also_in_files_one_behind_another(tmp_path: Path) -> None:
    days = [price_table(datetime(2024, 1, 1, hour, tzinfo=UTC), [10.0 + hour] * 12) for hour in (0, 1)]
    series = files.read("nemweb", text(tmp_path / "x.CSV", [line for day in days for line in nem_report(day)]))
    assert len(series) == 24 and series.notes == ()


def test_a_download_that_was_cut_off_is_refused(tmp_path: Path) -> None:
    file = text(tmp_path / "x.CSV", nem_report(price_table(NIGHT, [10.0, 20.0, 30.0]))[:-1])
    with pytest.raises(DataError, match=r'x\.CSV, row 5: the file does not end with the row C,"END OF REPORT"'):
        files.read("nemweb", file)


def test_the_row_that_was_changed_last_is_used_across_files(tmp_path: Path) -> None:
    text(tmp_path / "a.CSV", nem_report(price_table(NIGHT, [10.0, 20.0, 30.0], changed="2024/01/01 12:00:00")))
    later = datetime(2024, 1, 1, 0, 10, tzinfo=UTC)
    text(tmp_path / "b.CSV", nem_report(price_table(later, [90.0, 40.0], changed="2024/01/02 12:00:00")))
    series = files.read("nemweb", tmp_path)
    assert list(series.price) == [10, 20, 90, 40]
    assert "superseded" in " ".join(series.notes)


def test_a_report_that_holds_its_table_twice_is_read_once(tmp_path: Path) -> None:
    rows = price_table(NIGHT, [10.0, 20.0, 30.0], table="DREGION,,3")
    series = files.read("nemweb", text(tmp_path / "PUBLIC_DAILY_20240101.CSV", nem_report(rows + rows)))
    assert list(series.price) == [10, 20, 30]
    assert len(series.notes) == 1


def test_two_prices_of_one_version_are_refused(tmp_path: Path) -> None:
    rows = price_table(NIGHT, [10.0, 20.0, 30.0]) + price_table(NIGHT, [10.0, 25.0, 30.0])
    with pytest.raises(
        DataError, match=r"x\.CSV, row 8: the interval stamped 2024-01-01 10:10:00 already exists in row 4"
    ):
        files.read("nemweb", text(tmp_path / "x.CSV", nem_report(rows)))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda rows: [*rows[:2], rows[2].replace("PRICE", "LOCAL_PRICE"), *rows[3:]], "row 4: a row of another table"),
        (lambda rows: rows[1:], "row 2: the data stand below no I row"),
        (lambda rows: [*rows, "Z,DISPATCH"], "row 6: the row begins with 'Z', not with C, I or D"),
        (lambda rows: [rows[0], *[row.replace("10.0", "x") for row in rows[1:]]], "row 3: RRP is 'x'"),
        (lambda rows: [rows[0].replace("RRP", "PRICE"), *rows[1:]], "row 2: DISPATCH.PRICE has no column RRP"),
        (lambda rows: [rows[0].replace("EEP", "RRP"), *rows[1:]], "row 2: DISPATCH.PRICE has two columns RRP"),
        (lambda rows: [*rows[:2], rows[2][:30], *rows[3:]], "row 4: the row has only 5 cells"),
        (lambda rows: [*rows[:2], rows[2].replace("VIC1,1,0,", "VIC1,1,7,"), *rows[3:]], "row 4: INTERVENTION is '7'"),
    ],
)
def test_damaged_rows_are_refused(tmp_path: Path, change, message: str) -> None:  # type: ignore[no-untyped-def]
    file = text(tmp_path / "x.CSV", nem_report(change(price_table(NIGHT, [10.0, 20.0, 30.0]))))
    with pytest.raises(DataError, match=message):
        files.read("nemweb", file)


def test_the_change_of_trading_intervals_is_refused_with_the_reason(tmp_path: Path) -> None:
    old = price_table(datetime(2021, 9, 30, 8, tzinfo=UTC), [1.0] * 12, 30, table="TRADING,PRICE,2")
    new = price_table(datetime(2021, 9, 30, 14, tzinfo=UTC), [2.0] * 24, 5, table="TRADING,PRICE,3")
    with pytest.raises(DataError, match="Trading prices have 30 minutes until 2021-10-01"):
        files.read("nemweb", text(tmp_path / "x.CSV", nem_report(old + new)))


def test_prices_beyond_the_cap_of_their_year_are_refused(tmp_path: Path) -> None:
    rows = price_table(datetime(2020, 1, 1, tzinfo=UTC), [1.0, 15_000.0, 3.0])
    with pytest.raises(DataError, match=r"row 4: the price is 15,000 .* -1,000\.015 to 14,700\.015"):
        files.read("nemweb", text(tmp_path / "x.CSV", nem_report(rows)))
