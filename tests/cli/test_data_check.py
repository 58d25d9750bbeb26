"""`battery-lab data check`: what it prints for files of each operator and for others, and that its command works."""

from __future__ import annotations

import json
import shlex
import zipfile
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pytest

from battery_lab.config.build import build_part
from battery_lab.config.compose import compose
from tests.market import operator_files as files
from tests.market import operator_reports as reports
from tests.small_batteries_and_series import wavy_prices

DAYS = 24


def prices(per_day: int, days: int = DAYS) -> list[float]:
    return [round(float(price), 2) for price in wavy_prices(days)[:: 288 // per_day]]


def aemo(folder: Path) -> dict[str, object]:
    start = datetime(2024, 4, 1, tzinfo=files.NEM)
    for region in ("NSW1", "VIC1"):
        rows = files.aemo_rows(start, prices(288), region=region)
        for number, part in enumerate(np.array_split(rows, 2)):
            files.write(folder / f"PRICE_AND_DEMAND_2024{number}_{region}.csv", files.AEMO_HEADER, list(part))
    return {"region": "NSW1"}


def nyiso(folder: Path) -> dict[str, object]:
    start = datetime(2024, 2, 1, tzinfo=files.NEW_YORK)
    rows = [files.nyiso_rows(start, prices(288), zone=zone) for zone in ("CAPITL", "N.Y.C.")]
    files.write(
        folder / "20240201realtime_zone.csv",
        files.NYISO_HEADER,
        [row for pair in zip(*rows, strict=True) for row in pair],
    )
    return {"zone": "N.Y.C."}


def caiso(folder: Path) -> dict[str, object]:
    start = datetime(2025, 3, 1, 8, tzinfo=ZoneInfo("UTC"))
    rows = [row for run in ("RTM", "DAM") for row in files.caiso_rows(start, prices(288), run=run)]
    files.write(folder / "PRC_INTVL_LMP.csv", files.CAISO_HEADER.format(price="MW"), rows)
    return {"market_run": "RTM"}


def ercot(folder: Path) -> dict[str, object]:
    start = datetime(2024, 10, 20, tzinfo=files.TEXAS)
    rows = [row for kind in ("LZ", "LZEW") for row in files.ercot_rows(start, prices(96), "LZ_NORTH", kind)]
    rows += files.ercot_rows(start, prices(96), "HB_NORTH")
    files.write(folder / "SPPHLZNP6905.csv", files.ERCOT_HEADER, rows)
    return {"settlement_point": "HB_NORTH"}


def table(folder: Path) -> dict[str, object]:
    start = pd.date_range("2024-03-20 01:00", periods=24 * DAYS, freq="h", tz="UTC").tz_convert("Europe/Berlin")
    stamps = start.strftime("%d.%m.%Y %H:%M")
    frame = pd.DataFrame({"Delivery end": stamps, "Load": 1.0, "Spot price (EUR/MWh)": prices(24)})
    frame.to_csv(folder / "my prices, [2024].csv", index=False)
    return {
        "timestamp": "Delivery end",
        "timestamp_format": "%d.%m.%Y %H:%M",
        "stamps": "end",
        "price": "Spot price (EUR/MWh)",
        "time_zone": "Europe/Berlin",
        "currency": "EUR",
    }


def nemweb(folder: Path) -> dict[str, object]:
    rows = [
        row
        for region in ("SA1", "VIC1")
        for row in reports.price_table(datetime(2024, 4, 1, tzinfo=files.NEM), prices(288), region=region)
    ]
    with zipfile.ZipFile(folder / "PUBLIC_DVD_DISPATCHPRICE_202404.zip", "w") as archive:
        archive.writestr("PUBLIC_DVD_DISPATCHPRICE_202404.CSV", "\n".join(reports.nem_report(rows)) + "\n")
    return {"region": "SA1"}


MARKETS = {"aemo": aemo, "nyiso": nyiso, "caiso": caiso, "ercot": ercot, "nemweb": nemweb, "table": table}


@pytest.mark.parametrize("market", MARKETS)
def test_the_printed_command_reads_the_same_series(lab, tmp_path, market):
    folder = tmp_path / "my prices=2024"
    folder.mkdir()
    options = MARKETS[market](folder)
    output = lab("data", "check", "my prices=2024/", "--json")
    assert (output.status, output.err) == (0, "")
    report = json.loads(output.out)
    assert (report["market"], report["reading"]["product"]) == (market, "" if market == "table" else "real-time")
    program, *overrides = shlex.split(report["command"])
    assert (program, overrides) == ("battery-lab", report["overrides"])
    reader = build_part(compose(overrides), "market")
    expected = files.read(market, folder, **options)
    assert reader.load().digest == expected.digest == report["quality"]["digest"]
    written = tmp_path / "outputs" / "data_checks"
    assert [json.loads(file.read_text()) for file in written.glob("*/report.json")] == [report]
    assert Path(report["picture"]).read_bytes().startswith(b"\x89PNG")


@pytest.fixture
def prices_file(tmp_path):
    """A folder with a table of 24 days at 5 minutes, with a gap of two hours and one of ten minutes."""
    start = pd.date_range("2024-01-01", periods=288 * DAYS, freq="5min")
    frame = pd.DataFrame({"utc": start.strftime("%Y-%m-%dT%H:%M:%SZ"), "price_eur": prices(288)})
    (tmp_path / "prices").mkdir()
    frame.drop(index=[*range(1000, 1024), 3000, 3001]).to_csv(tmp_path / "prices" / "x.csv", index=False)
    return tmp_path / "prices"


def test_the_text_has_all_that_a_trader_needs(lab, prices_file):
    output = lab("data", "check", "prices/", "env.episode_days=2")
    assert (output.status, output.err) == (0, "")
    for part in (
        "prices/: x.csv\n  market                  table\n",
        "  stamps in               utc\n",
        "EUR per MWh, calendar of UTC\n",
        "26 intervals (0.38%) in 2 gaps; 2 are filled; the longest has 2 h from 2024-01-04T11:20:00+00:00\n",
        "  2024        23.9",
        "needs 494.0 days (env.validation_days=120, env.test_days=365, env.episode_days=2): 470.0 are missing\n",
        "  fits with               env.test_days=6 env.validation_days=4\n",
        "  test                    6.0 days, 2024-01-19 to 2024-01-24\n",
        "- The training period has 14 days with prices, less than a year",
        "- market.time_zone=UTC: ",
        "\nTo train on these prices\n  battery-lab market=table market.path=prices/ market.timestamp=utc "
        "market.price=price_eur market.currency=EUR market.time_zone=UTC "
        "market.gaps=fill_or_split env.test_days=6 env.validation_days=4 env.episode_days=2\n",
        "written to outputs/data_checks/prices/report.json, with the picture outputs/data_checks/prices/prices.png\n",
    ):
        assert part in output.out


def test_what_is_typed_stays(lab, prices_file):
    typed = ["market=table", "market.time_zone=Europe/Berlin", "market.gaps=split", "env.test_days=3", "seed=1"]
    report = json.loads(lab("data", "check", *typed, "prices/", "--json").out)
    assert report["quality"]["time_zone"] == "Europe/Berlin"
    assert (report["quality"]["filled_intervals"], report["quality"]["gap_intervals"]) == (0, 26)
    assert not {"time_zone", "timestamp"} & set(report["assumed"])
    assert set(typed) <= set(report["overrides"])
    assert report["overrides"].count("env.test_days=3") == 1
    assert build_part(compose(report["overrides"]), "env").test_days == 3


def test_files_that_cannot_be_read_as_they_are_end_with_the_reason(lab, tmp_path):
    rows = files.aemo_rows(datetime(2024, 4, 1, tzinfo=files.NEM), prices(288, 2))
    files.write(
        tmp_path / "a.csv",
        files.AEMO_HEADER,
        [*rows, rows[-1].replace(",TRADE", "0,TRADE"), rows[5].replace(",TRADE", "9,TRADE")],
    )
    output = lab("data", "check", "a.csv", "--json")
    report = json.loads(output.out)
    assert (output.status, report["readable"], report["quality"], report["split"]) == (1, False, None, None)
    assert "a.csv, row 579: the interval stamped" in report["problem"]
    assert report["rows"]["repeated_intervals"] == 2
    assert report["rows"]["steps_back_in_time"] == 1
    text = lab("data", "check", "a.csv").out
    assert "  repeated                2 intervals, 1 of them with another price\n" in text
    assert "\nWhat reads these files, once the problem is solved\n  battery-lab market=aemo market.path=a.csv\n" in text


def test_a_day_of_prices_is_described_though_no_trial_fits(lab, tmp_path):
    files.write(
        tmp_path / "a.csv", files.AEMO_HEADER, files.aemo_rows(datetime(2024, 4, 1, tzinfo=files.NEM), prices(288, 1))
    )
    report = json.loads(lab("data", "check", "a.csv", "--json").out)
    assert report["readable"] and "too few for any split" in report["problem"]
    output = lab("data", "check", "a.csv")
    assert output.status == 1
    assert "VIC1, AUD per MWh, calendar of Australia/Melbourne" in output.out
    assert "the series has 1.0 days, which are too few for any split: an observation needs 7 days" in output.out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nowhere/"], "market.path=nowhere/: no such file, folder or glob, relative to "),
        (["market=aemo"], "data check needs one path, of a file, a folder or a glob, besides key=value: for instance "),
        (["a.csv", "b.csv"], "of a file, a folder or a glob, besides key=value: got a.csv b.csv; quote a glob"),
        (["a.csv", "--yaml"], "data check needs one path"),
        (["a.csv", "market=synthetic"], "market=synthetic reads no files: choose one of aemo, "),
        (["a.csv", "market=aemo", "market.zone=x"], "market.zone is not an option of AemoMarket"),
        (["a.csv", "market.path=b.csv"], "market.path=b.csv cannot be combined with the path that is checked"),
        (["a.csv", "env.tset_days=3"], "env.tset_days is not an option"),
        (["a.csv"], "a.csv: no market recognises these files. Closest to aemo, which misses PERIODTYPE. As a table: "),
        (["notes.csv"], "They have less than half of the columns of any operator's files (aemo, "),
    ],
)  # fmt: skip
def test_errors_say_what_is_wrong(lab, tmp_path, arguments, message):
    (tmp_path / "a.csv").write_text("REGION,SETTLEMENTDATE,TOTALDEMAND,RRP\nVIC1,no date,1,2\n")
    (tmp_path / "notes.csv").write_text("name,remark\nx,y\n")
    output = lab("data", "check", *arguments)
    assert (output.status, output.out) == (1, "")
    assert message in output.err
    assert output.err.count("error: ") == 1 and "Traceback" not in output.err
    if message.startswith("a.csv: no"):
        report = json.loads(lab("data", "check", *arguments, "--json").out)
        assert not report["readable"] and message in report["problem"]
        assert (
            "\n  the first rows of a.csv:\n  REGION,SETTLEMENTDATE,TOTALDEMAND,RRP\n  VIC1,no date,1,2\n" in output.err
        )


def test_another_market_can_be_forced(lab, tmp_path):
    files.write(tmp_path / "a.csv", files.AEMO_HEADER, files.aemo_rows(datetime(2024, 4, 1, tzinfo=files.NEM), [1.0]))
    output = lab("data", "check", "a.csv", "market=nyiso")
    assert output.status == 1
    assert "Problem\n  a.csv, row 1: there is no column Time Stamp" in output.out


def test_a_folder_of_several_kinds_is_refused(lab, tmp_path):
    start = datetime(2024, 4, 1, tzinfo=files.NEM)
    files.write(tmp_path / "p" / "a.csv", files.AEMO_HEADER, files.aemo_rows(start, [1.0]))
    files.write(tmp_path / "p" / "b.csv", files.NYISO_HEADER, files.nyiso_rows(start, [1.0]))
    assert "the files are of several kinds: a.csv is aemo, b.csv is nyiso. Name those" in lab("data", "check", "p").err
