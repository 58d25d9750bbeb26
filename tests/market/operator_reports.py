"""Reports in the forms of operators, with lines around their tables, written from known series."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import groupby
from pathlib import Path
from zoneinfo import ZoneInfo

from tests.market.operator_files import NEM, NEW_YORK, times

EST = ZoneInfo("Etc/GMT+5")
BRUSSELS = ZoneInfo("Europe/Brussels")
LONDON = ZoneInfo("Europe/London")

PJM_HEADER = (
    "datetime_beginning_utc,datetime_beginning_ept,pnode_id,pnode_name,voltage,equipment,type,zone,"
    "system_energy_price_{run},total_lmp_{run},congestion_price_{run},marginal_loss_price_{run},row_is_current,version_nbr"
)
SPP_HEADER = "Interval,GMTIntervalEnd,Settlement Location,Pnode,LMP,MLC,MCC,MEC"
SYSTEM_PRICES = "SettlementDate,SettlementPeriod,StartTime,CreatedDateTime,SystemSellPrice,SystemBuyPrice"
MARKET_INDEX = "StartTime,DataProvider,SettlementDate,SettlementPeriod,Price,Volume"
WEBSITE = (
    '"MTU (CET/CEST)","Area","Sequence","Day-ahead Price (EUR/MWh)","Intraday Period (CET/CEST)",'
    '"Intraday Price (EUR/MWh)"'
)
OLD_WEBSITE = '"MTU (CET/CEST)","Day-ahead Price [EUR/MWh]","Currency","BZN|FI"'
LIBRARY = (
    "InstanceCode\tDateTime(UTC)\tResolutionCode\tAreaCode\tAreaDisplayName\tAreaTypeCode\tMapCode\tContractType\t"
    "Sequence\tPrice[Currency/MWh]\tCurrency\tUpdateTime(UTC)"
)


def text(file: Path, lines: Sequence[str]) -> Path:
    """Write lines to a file."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("\n".join(lines) + "\n")
    return file


def price_table(
    start: datetime,
    prices: Sequence[float],
    minutes: int = 5,
    region: str = "VIC1",
    table: str = "DISPATCH,PRICE,1",
    intervention: int = 0,
    changed: str = "2024/07/01 00:00:00",
) -> list[str]:
    """Return the I row and the D rows of a table of prices, stamped by the end of the interval in UTC+10."""
    columns = "SETTLEMENTDATE,RUNNO,REGIONID,DISPATCHINTERVAL,INTERVENTION,RRP,EEP,LASTCHANGED"
    ends = [(time + timedelta(minutes=minutes)).astimezone(NEM) for time in times(start, len(prices), minutes)]
    return [
        f"I,{table},{columns}",
        *(
            f'D,{table},"{end:%Y/%m/%d %H:%M:%S}",1,{region},1,{intervention},{price!r},0,"{changed}"'
            for end, price in zip(ends, prices, strict=True)
        ),
    ]


def nem_report(rows: Sequence[str], count: int | None = None) -> list[str]:
    """Return AEMO's report of rows: a C row before them, and one behind them that counts all rows."""
    first = "C,SETP.WORLD,DVD_DISPATCHPRICE,AEMO,PUBLIC,2024/07/01,00:35:05,0000000318731727,,0000000318731686"
    return [first, *rows, f'C,"END OF REPORT",{len(rows) + 2 if count is None else count}']


def pjm_rows(
    start: datetime,
    prices: Sequence[float],
    minutes: int = 60,
    node: str = "WESTERN HUB",
    number: int = 51288,
    current: bool = True,
    version: int = 1,
) -> list[str]:
    """Return rows of Data Miner, stamped by the start of the interval in UTC and on the eastern clock."""
    rows = []
    for time, price in zip(times(start, len(prices), minutes), prices, strict=True):
        stamps = [f"{t.month}/{t.day}/{t.year} {t:%I:%M:%S %p}" for t in (time, time.astimezone(NEW_YORK))]
        stamps = [stamp.replace(" 0", " ", 1) for stamp in stamps]
        rows.append(f"{stamps[0]},{stamps[1]},{number},{node},,,HUB,,30.1,{price!r},0.1,0.2,{current},{version}")
    return rows


def isone_report(
    start: datetime, prices: Sequence[float], nodes: Sequence[tuple[int, str]] = ((4000, ".H.INTERNAL_HUB"),)
) -> list[str]:
    """Return an hourly report of C, H, D and T rows; the second pass of the repeated hour is 02X."""
    rows = []
    for time, price in zip(times(start, len(prices), 60), prices, strict=True):
        local = time.astimezone(NEW_YORK)
        hour = f"{local.hour + 1:02d}{'X' if local.fold else ''}"
        for i, (number, name) in enumerate(nodes):
            cells = f'"{number}","{name}","HUB",{price + i!r},30.0,0.0,0.1'
            rows.append(f'"D","{local:%m/%d/%Y}",{hour},{cells}')
    return [
        '"C","Real-Time Energy Market Hourly LMP Report"',
        '"C","Filename: lmp_rt_final_20240701.csv"',
        f'"H","Date","Hour Ending",{ISONE_COLUMNS}',
        '"H","Date","HE","String","String","String","Number","Number","Number","Number"',
        *rows,
        f'"T","{len(rows)} lines"',
    ]


ISONE_COLUMNS = (
    '"Location ID","Location Name","Location Type","Locational Marginal Price","Energy Component",'
    '"Congestion Component","Marginal Loss Component"'
)


def hoep_file(start: datetime, prices: Sequence[float]) -> list[str]:
    """Return a file of hourly prices of Ontario, numbered by the end of the hour in EST."""
    stamps = [time.astimezone(EST) for time in times(start, len(prices), 60)]
    return [
        "\\\\Yearly HOEP OR Predispatch Report,,,,,,,,",
        "\\\\Created at 2020-01-31 08:02:14,,,,,,,,",
        "\\\\For 2019,,,,,,,,",
        "Date,Hour,HOEP,Hour 1 Predispatch,Hour 2 Predispatch,Hour 3 Predispatch,OR 10 Min Sync,OR 30 Min",
        *(f"{s:%Y-%m-%d},{s.hour + 1},{p!r},9.9,9.9,9.9,1.2,0.1" for s, p in zip(stamps, prices, strict=True)),
    ]


def miso_files(folder: Path, start: datetime, prices: Sequence[float], node: str = "INDIANA.HUB") -> Path:
    """Write a day-ahead report for each day in EST; hours of its first and last day that have no price are empty."""
    hours = zip(times(start, len(prices), 60), prices, strict=True)
    for day, group in groupby(hours, lambda hour: hour[0].astimezone(EST).date()):
        known = {time.astimezone(EST).hour: price for time, price in group}
        cells = ",".join(repr(known[hour]) if hour in known else "" for hour in range(24))
        other = ",".join(["7.0"] * 24)
        lines = [
            "Day Ahead Market ExPost LMPs",
            f"{day:%m/%d/%Y}",
            "",
            ",,,All Hours-Ending are Eastern Standard Time (EST)",
            "Node,Type,Value," + ",".join(f"HE {hour}" for hour in range(1, 25)),
            *(f"{node},Hub,{value},{cells if value == 'LMP' else other}" for value in ("LMP", "MCC", "MLC")),
            f"ARKANSAS.HUB,Hub,LMP,{other}",
        ]
        text(folder / f"{day:%Y%m%d}_da_expost_lmp.csv", lines)
    return folder


def spp_rows(start: datetime, prices: Sequence[float], minutes: int = 5, location: str = "SPPNORTH_HUB") -> list[str]:
    """Return rows of settlement locations, stamped by the end of the interval in GMT."""
    ends = [time + timedelta(minutes=minutes) for time in times(start, len(prices), minutes)]
    local = [end.astimezone(ZoneInfo("America/Chicago")) for end in ends]
    return [
        f"{there:%m/%d/%Y %H:%M:%S},{end:%m/%d/%Y %H:%M:%S},{location},{location},{price!r},0.1,0.2,30.0"
        for there, end, price in zip(local, ends, prices, strict=True)
    ]


def website_rows(
    start: datetime, prices: Sequence[float], minutes: int = 60, area: str = "BZN|DE-LU", clocks: bool = False
) -> list[str]:
    """Return rows of ENTSO-E's website, "start - end" on the clock of Brussels, with its name behind if ``clocks``."""
    rows = []
    for time, price in zip(times(start, len(prices), minutes), prices, strict=True):
        begin, end = time.astimezone(BRUSSELS), (time + timedelta(minutes=minutes)).astimezone(BRUSSELS)
        mtu = " - ".join(f"{t:%d/%m/%Y %H:%M:%S}{f' ({t:%Z})' if clocks else ''}" for t in (begin, end))
        rows.append(f'"{mtu}","{area}","Without Sequence","{price!r}","",""')
    return rows


def library_rows(
    start: datetime,
    prices: Sequence[float],
    minutes: int = 60,
    code: str = "DE_LU",
    updated: str = "2024-07-01 11:41:39",
) -> list[str]:
    """Return rows of ENTSO-E's file library, separated by tabs, in UTC."""
    area = f"10Y1001A1001A82H\tDE-LU\tBZN\t{code}\tDay-ahead\t"
    return [
        f"242e\t{time:%Y-%m-%d %H:%M:%S}\tPT{minutes}M\t{area}\t{price!r}\tEUR\t{updated}"
        for time, price in zip(times(start, len(prices), minutes), prices, strict=True)
    ]


def elspot_file(start: datetime, prices: Sequence[float]) -> list[str]:
    """Return a yearly file of Nord Pool; the hour that the clock skips stands there without prices."""
    rows = []
    for time, price in zip(times(start, len(prices), 60), prices, strict=True):
        local = time.astimezone(BRUSSELS)
        if rows and local.hour == 3 and (time - timedelta(hours=1)).astimezone(BRUSSELS).hour == 1:
            rows.append(f"{local:%d-%m-%Y},02\u00a0-\u00a003,,,")
        hours = f"{local.hour:02d}\u00a0-\u00a0{(local.hour + 1) % 24:02d}"
        rows.append(f"{local:%d-%m-%Y},{hours},7.0,{price!r},")
    title = ["Elspot Prices in EUR/MWh,,,,", "Data was last updated 31-12-2019,,,,"]
    return [*title, "Date,Hours,SYS,SE3,DE-LU", *rows]


def portal_file(start: datetime, prices: Sequence[float], minutes: int = 15, zone: str = "SE3 (EUR)") -> list[str]:
    """Return a file of Nord Pool's data portal, separated by semicolons, with decimal commas."""
    rows = []
    for time, price in zip(times(start, len(prices), minutes), prices, strict=True):
        begin, end = time.astimezone(BRUSSELS), (time + timedelta(minutes=minutes)).astimezone(BRUSSELS)
        cells = [f"{t:%d.%m.%Y %H:%M:%S}" for t in (begin, end)]
        rows.append(";".join([*cells, repr(price).replace(".", ",")]))
    return [f"Delivery Start (CET);Delivery End (CET);{zone}", *rows]


def periods(start: datetime, count: int) -> list[tuple[str, int]]:
    """Return the settlement date and period of half-hours."""
    found = []
    for time in times(start, count, 30):
        local = time.astimezone(LONDON)
        midnight = local.replace(hour=0, minute=0, fold=0).astimezone(UTC)
        found.append((f"{local:%Y-%m-%d}", (time - midnight) // timedelta(minutes=30) + 1))
    return found


def system_price_rows(start: datetime, prices: Sequence[float], created: str = "2024-07-02T12:00:00Z") -> list[str]:
    """Return rows of Elexon's system prices."""
    return [
        f"{day},{period},{time:%Y-%m-%dT%H:%M:%SZ},{created},{price!r},{price!r}"
        for (day, period), time, price in zip(
            periods(start, len(prices)), times(start, len(prices), 30), prices, strict=True
        )
    ]


def market_index_rows(start: datetime, prices: Sequence[float], provider: str = "APXMIDP") -> list[str]:
    """Return rows of Elexon's market index data."""
    return [
        f"{time:%Y-%m-%dT%H:%M:%SZ},{provider},{day},{period},{price!r},100.0"
        for (day, period), time, price in zip(
            periods(start, len(prices)), times(start, len(prices), 30), prices, strict=True
        )
    ]
