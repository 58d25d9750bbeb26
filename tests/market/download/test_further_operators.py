"""Further operators through gridstatus, each with a file in its published form: day-ahead prices, and ERCOT's both."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

import pytest

from battery_lab.common.errors import ConfigError
from tests.market import operator_files as files
from tests.market import operator_reports as reports
from tests.market.download.fetched_prices import fetch, read
from tests.market.download.operator_proxy import Answer, OperatorProxy, zipped
from tests.market.file_formats.xlsx_file import write_xlsx

pytest.importorskip("gridstatus", reason="make setup-live")
pytestmark = pytest.mark.walk
HOURS = [20.0 + i for i in range(24)]
DAY = "2024-06-03/2024-06-03"


def serve_spp(operator: OperatorProxy, folder: Path) -> dict[str, str]:
    start = datetime(2024, 6, 3, tzinfo=files.TEXAS)
    rows = reports.spp_rows(start, HOURS, minutes=60) + reports.spp_rows(start, [9.0] * 24, 60, "SPPSOUTH_HUB")
    operator.serve("DA-LMP-SL-202406030100.csv", "\n".join([reports.SPP_HEADER, *rows]).encode())
    return {"location": "SPPNORTH_HUB"}


def serve_isone(operator: OperatorProxy, folder: Path) -> dict[str, str]:
    lines = reports.isone_report(datetime(2024, 6, 3, tzinfo=files.NEW_YORK), HOURS, [(1, "X"), (2, "Y")])
    # The daily files have four lines before the header.
    lines[:2] = ['"C","Day-Ahead Energy Market LMP Report"', *(f'"C","{text}"' for text in ("a", "b", "c"))]
    report = Answer("\n".join(lines).encode(), headers={"Content-Type": "text/csv"})
    operator.serve("da-lmp/WW_DALMP_ISO_20240603.csv", report)
    # Files are sent to those who were on a page before.
    operator.serve("isoexpress/web", Answer(headers={"Set-Cookie": "visitor=1; Path=/", "Content-Type": "text/html"}))
    return {"location": "X"}


def serve_miso(operator: OperatorProxy, folder: Path) -> dict[str, str]:
    reports.miso_files(folder, datetime(2024, 6, 3, tzinfo=reports.EST), HOURS)
    (file,) = folder.iterdir()
    operator.serve("marketreports/20240603_da_expost_lmp.csv", file.read_bytes())
    return {"location": "INDIANA.HUB"}


def serve_ieso(operator: OperatorProxy, folder: Path) -> dict[str, str]:
    rows = [f"{i + 1},{place}:LMP,{price},0.1,0.2" for i, price in enumerate(HOURS) for place in ("TORONTO", "OTTAWA")]
    header = "Delivery Hour,Pricing Location,LMP,Energy Loss Price,Energy Congestion Price"
    text = "\n".join(["CREATED AT 2024/06/02 13:30:00 FOR 2024/06/03", header, *rows])
    operator.serve("DAHourlyEnergyLMP/PUB_DAHourlyEnergyLMP_20240603.csv", text.encode())
    return {"location": "TORONTO"}


def serve_pjm(operator: OperatorProxy, folder: Path) -> dict[str, str]:
    parts = {"system_energy_price_da": 1.0, "congestion_price_da": 0.0, "marginal_loss_price_da": 0.0, "type": "HUB"}
    hours = files.times(datetime(2024, 6, 3, tzinfo=files.NEW_YORK), 24, 60)
    items = [
        {"datetime_beginning_utc": f"{hour:%Y-%m-%dT%H:%M:%S}", "pnode_id": node, "pnode_name": "A", **parts}
        | {"total_lmp_da": price + node - 51288}
        for hour, price in zip(hours, HOURS, strict=True)
        for node in (51288, 51291)
    ]
    nodes = [
        {"effective_date": "2020", "pnode_id": node, "pnode_name": "A", "voltage_level": None, "zone": None}
        for node in (51288, 51291)
    ]
    for part, rows in {"v1/da_hrl_lmps": items, "v1/pnode": nodes}.items():
        operator.serve(part, json.dumps({"totalRows": len(rows), "items": rows, "links": []}).encode())
    return {"location": "51288"}


SERVE = {"spp": serve_spp, "isone": serve_isone, "miso": serve_miso, "ieso": serve_ieso, "pjm": serve_pjm}


@pytest.mark.parametrize("market", SERVE)
def test_a_day_of_day_ahead_prices(operator, tmp_path, monkeypatch, market):
    monkeypatch.setenv("PJM_API_KEY", "key")
    location = SERVE[market](operator, tmp_path / "served")
    request = {"market": market, "product": "day_ahead", "period": DAY}
    fetched = fetch(tmp_path / "p", **request, **location)
    assert fetched.problem == ""
    assert read(fetched).price.tolist() == HOURS
    assert str(read(fetched).start[0])[:13] in ("2024-06-03T04", "2024-06-03T05")
    assert operator.cookies == (["visitor=1"] if market == "isone" else [])
    if market == "spp":
        with pytest.raises(ConfigError, match="location of spp: SPPNORTH_HUB, SPPSOUTH_HUB, got 'NORTH'"):
            fetch(tmp_path / "b", **request, location="NORTH")


def serve_ercot(operator: OperatorProxy, folder: Path, report: int, rows: Sequence[Sequence[str | float]]) -> None:
    """Serve a workbook of a year, the list of documents that it is in, and the list of settlement points."""
    folder.mkdir()
    book = write_xlsx(folder / "2024.xlsx", {"Jan": rows}).read_bytes()
    points = "ELECTRICAL_BUS,NODE_NAME,RESOURCE_NODE,HUB\nB,N,RN_1,\n"
    for number, name, content in (
        (report, "rpt.2024.zip", zipped({"2024.xlsx": book})),
        (10008, "points.zip", zipped({"Settlement_Points.csv": points})),
    ):
        document = {"DocID": f"{number}", "FriendlyName": name, "ConstructedName": name}
        document["PublishDate"] = "2024-12-31T00:00:00-06:00"
        listed = {"ListDocsByRptTypeRes": {"DocumentList": [{"Document": document}]}}
        operator.serve(f"reportTypeId={number}", json.dumps(listed).encode())
        operator.serve(f"doclookupId={number}", content)


@pytest.mark.parametrize(("product", "report", "per_hour"), [("real_time", 13061, 4), ("day_ahead", 13060, 1)])
def test_ercot_has_a_workbook_per_year(operator, tmp_path, product, report, per_hour):
    prices = [20.0 + i / 4 for i in range(24 * per_hour)]
    rows: list[list[str | float]] = []
    for i, price in enumerate(prices):
        hour, quarter = i // per_hour + 1, i % per_hour + 1
        stamp = ["06/03/2024", float(hour), float(quarter)] if per_hour > 1 else ["06/03/2024", f"{hour:02d}:00"]
        kind = ["HU"] if per_hour > 1 else []
        rows += [[*stamp, "N", name, *kind, price + extra] for name, extra in (("HB_NORTH", 0), ("LZ_WEST", 7))]
    header = ["Delivery Date", "Delivery Hour", "Delivery Interval", "Repeated Hour Flag", "Settlement Point Name"]
    header = [*header, "Settlement Point Type"] if per_hour > 1 else ["Delivery Date", "Hour Ending", *header[3:]]
    serve_ercot(operator, tmp_path / "served", report, [[*header, "Settlement Point Price"], *rows])
    fetched = fetch(tmp_path / "p", market="ercot", product=product, location="HB_NORTH", period=DAY)
    assert (fetched.problem, read(fetched).price.tolist()) == ("", prices)
    assert str(read(fetched).start[0]) == "2024-06-03T05:00:00"
