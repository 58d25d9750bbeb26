"""AEMO's monthly tables through NEMOSIS: prices and forecasts as they were served."""

from __future__ import annotations

from datetime import date

import numpy as np
import pandas as pd
import pytest

from tests.market.download.fetched_prices import fetch, read
from tests.market.download.operator_proxy import Answer, zipped
from tests.market.download.recorded_answers import aemo_month, p5min_month, predispatch_month

pytest.importorskip("nemosis", reason="make setup-live")
AEMO = {"market": "aemo", "location": "NSW1", "period": "2024-01-03/2024-01-20"}
PRICES = [30.0, 31.5, -2.25, 40.0, 28.0, 27.0]


def test_prices_are_those_that_were_served(operator, tmp_path):
    operator.serve("/DATA/PUBLIC_DVD_DISPATCHPRICE_202401010000.zip", aemo_month(PRICES, regions=("VIC1", "NSW1")))
    fetched = fetch(tmp_path, **AEMO)
    series = read(fetched)
    assert (fetched.problem, series.name, series.price.tolist()) == ("", "NSW1", PRICES)
    assert str(series.start[0]) == "2023-12-31T14:00:00"
    assert operator.addresses("nemweb.com.au") == operator.requested


def test_a_month_after_the_change_of_names_may_have_several_files(operator, tmp_path):
    month = {"year": 2024, "month": 8, "regions": ("NSW1",)}
    operator.serve("DISPATCHPRICE#FILE01#202408", aemo_month(PRICES[:3], **month))
    second = zipped({"PUBLIC_ARCHIVE#DISPATCHPRICE#FILE02#202408010000.CSV": "I\nD\nC,END OF REPORT,3\n"})
    operator.serve("DISPATCHPRICE#FILE02#202408", second)
    fetched = fetch(tmp_path, **AEMO | {"period": "2024-08-01/2024-08-02"})
    assert (fetched.problem, fetched.result.files) == ("", 1)
    assert sorted(file.name for file in tmp_path.glob("*.CSV")) == [
        "PUBLIC_ARCHIVE#DISPATCHPRICE#FILE02#202408010000.CSV",
        "PUBLIC_DVD_DISPATCHPRICE_202408010000.CSV",
    ]
    assert len(operator.requested) == 3


@pytest.mark.parametrize(
    ("product", "address", "archive", "first_published"),
    [
        ("predispatch", "/PREDISP_ALL_DATA/PUBLIC_DVD_PREDISPATCHPRICE", predispatch_month, "2023-12-31T14:02:04"),
        ("p5min", "/DATA/PUBLIC_DVD_P5MIN_REGIONSOLUTION", p5min_month, "2023-12-31T14:02:04"),
    ],
)
def test_forecasts_are_known_when_the_last_row_of_a_run_was_written(
    operator, tmp_path, product, address, archive, first_published
):
    operator.serve(address, archive([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]))
    operator.serve("DISPATCHPRICE", aemo_month(PRICES))
    fetch(tmp_path / "prices", **AEMO)
    fetched = fetch(tmp_path / "forecasts", **AEMO, product=product)
    series = read(fetched, **{"market.path": str(tmp_path / "prices")})
    assert series.price.tolist() == PRICES
    forecast, first = series.forecasts[product], np.datetime64(first_published)
    assert forecast.as_of(first - np.timedelta64(1, "s")) is None
    assert forecast.as_of(first).values.tolist() == [1.0, 2.0, 3.0]
    assert str(forecast.as_of(first).start[0]) == "2023-12-31T14:00:00"
    assert forecast.as_of(first + np.timedelta64(30, "m")).values.tolist() == [4.0, 5.0, 6.0]


@pytest.mark.parametrize(
    ("product", "address"),
    [
        ("predispatch", "PREDISP_ALL_DATA/PUBLIC_ARCHIVE#PREDISPATCHPRICE#ALL#FILE01#202408010000.zip"),
        ("p5min", "P5MIN_ALL_DATA/PUBLIC_ARCHIVE#P5MIN_REGIONSOLUTION#ALL#FILE01#202408010000.zip"),
    ],
)
def test_forecasts_after_the_change_of_names(operator, tmp_path, product, address):
    fetch(tmp_path, **AEMO | {"period": "2024-08-01/2024-08-02"}, product=product)
    assert [one.split("SQLLoader/")[1] for one in operator.requested] == [address]


def test_forecasts_of_interventions_and_other_regions_are_left_out(operator, tmp_path):
    operator.serve("P5MIN", p5min_month([[1.0, 2.0]], intervention=True))
    fetch(tmp_path, **AEMO, product="p5min")
    (file,) = tmp_path.glob("*.parquet")
    assert pd.read_parquet(file)["price"].tolist() == [1.0, 2.0]


@pytest.mark.parametrize(
    ("archive", "reason"),
    [
        (zipped({"a.CSV": "C,x\nI,a\nD,b\n"}), "a.CSV ends before its last row: the archive was cut off"),
        (zipped({"a.exe": "x"}), "must hold a CSV file, and holds a.exe"),
        (aemo_month(PRICES)[:-50], "is no complete .zip archive"),
        (b"<html>maintenance</html>", "the answer cannot be read (BadZipFile: File is not a zip file)"),
        (Answer(b"", 404), "www.nemweb.com.au answered 404 for /Data_Archive/"),
    ],
)
def test_what_is_no_table_is_missing_with_its_reason(operator, tmp_path, archive, reason):
    operator.serve("DISPATCHPRICE", archive)
    fetched = fetch(tmp_path, **AEMO)
    assert fetched.result.missing == ((date(2024, 1, 1), date(2024, 1, 31)),)
    assert reason in fetched.problem
    assert sorted(file.name for file in tmp_path.iterdir() if file.name[0] != ".") == ["fetch.json"]
    assert not fetched.next_steps
