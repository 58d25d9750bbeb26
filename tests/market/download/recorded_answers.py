"""Recorded answers: files of operators in the forms in which they publish them, made from known prices."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from tests.market import operator_files as files
from tests.market import operator_reports as reports
from tests.market.download.operator_proxy import Answer, zipped


def aemo_month(prices: Sequence[float], year: int = 2024, month: int = 1, regions: Sequence[str] = ("NSW1",)) -> bytes:
    """Return the archive of DISPATCHPRICE of a month, or of its first intervals."""
    start = datetime(year, month, 1, tzinfo=files.NEM)
    rows = [row for region in regions for row in reports.price_table(start, prices, region=region)]
    name = f"PUBLIC_DVD_DISPATCHPRICE_{year}{month:02d}010000.CSV"
    return zipped({name: "\n".join(reports.nem_report([rows[0], *(row for row in rows if row[0] == "D")])) + "\n"})


PREDISPATCH = "PREDISPATCHSEQNO,RUNNO,REGIONID,PERIODID,INTERVENTION,RRP,LASTCHANGED,DATETIME"


def predispatch_month(runs: Sequence[Sequence[float]], regions: Sequence[str] = ("NSW1", "VIC1")) -> bytes:
    """Return the archive of PREDISPATCHPRICE: runs every half hour, written 2 to 4 seconds past two minutes earlier."""
    table, rows = "PREDISPATCH,REGION_PRICES,1", []
    for i, prices in enumerate(runs):
        label = datetime(2024, 1, 1, 0, 30, tzinfo=files.NEM) + timedelta(minutes=30 * i)
        for n, region in enumerate(regions):
            for k, price in enumerate(prices):
                end = label + timedelta(minutes=30 * k)
                written = label - timedelta(minutes=28) + timedelta(seconds=2 + k % 3)
                rows.append(
                    f"D,{table},20240101{i + 1:02d},1,{region},{k + 1},0,{price + 1000 * n},"
                    f'"{written:%Y/%m/%d %H:%M:%S}","{end:%Y/%m/%d %H:%M:%S}"'
                )
    report = reports.nem_report([f"I,{table},{PREDISPATCH}", *rows])
    return zipped({"PUBLIC_DVD_PREDISPATCHPRICE_202401010000.CSV": "\n".join(report) + "\n"})


P5MIN = "RUN_DATETIME,INTERVAL_DATETIME,REGIONID,RRP,LASTCHANGED,INTERVENTION"


def p5min_month(runs: Sequence[Sequence[float]], intervention: bool = False) -> bytes:
    """Return the archive of P5MIN_REGIONSOLUTION of NSW1 and VIC1, with runs as far apart as those of predispatch."""
    table, rows = "P5MIN,REGIONSOLUTION,1", []
    for i, prices in enumerate(runs):
        label = datetime(2024, 1, 1, 0, 5, tzinfo=files.NEM) + timedelta(minutes=30 * i)
        for k, price in enumerate(prices):
            end, written = label + timedelta(minutes=5 * k), label - timedelta(minutes=3) + timedelta(seconds=2 + k % 3)
            stamps = f'"{label:%Y/%m/%d %H:%M:%S}","{end:%Y/%m/%d %H:%M:%S}"'
            changed = f'"{written:%Y/%m/%d %H:%M:%S}"'
            rows.append(f"D,{table},{stamps},NSW1,{price},{changed},0")
            rows.append(f"D,{table},{stamps},VIC1,{price + 1000},{changed},0")
            if intervention:
                rows.append(f"D,{table},{stamps},NSW1,{price + 500},{changed},1")
    report = reports.nem_report([f"I,{table},{P5MIN}", *rows])
    return zipped({"PUBLIC_DVD_P5MIN_REGIONSOLUTION_202401010000.CSV": "\n".join(report) + "\n"})


def nyiso_month(days: dict[str, Sequence[str]], kind: str) -> bytes:
    """Return the archive of a month of NYISO's LBMP of zones: day -> rows."""
    texts = {f"{day}{kind}.csv": "\n".join([files.NYISO_HEADER, *rows]) + "\n" for day, rows in days.items()}
    return zipped(texts)


def caiso_answer(start: datetime, prices: Sequence[float], run: str, minutes: int) -> Answer:
    """Return OASIS's answer: an archive with the price and its components of a node."""
    price = {"DAM": "MW", "RTM": "VALUE"}[run]
    rows = files.caiso_rows(start, prices, minutes=minutes, run=run, parts=("LMP", "MCE", "MCC", "MCL", "MGHG"))
    text = "\n".join([files.CAISO_HEADER.format(price=price), *rows]) + "\n"
    name = f"PRC_LMP_{run}"
    headers = {"Content-Disposition": f"inline; filename={name}.zip;"}
    return Answer(zipped({f"{name}.csv": text}), headers=headers)
