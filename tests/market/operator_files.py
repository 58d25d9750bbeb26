"""Files in the formats of operators, written from known series, and markets with the defaults of conf/market."""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from hydra.utils import instantiate
from omegaconf import OmegaConf

from battery_lab.market.market_series import MarketSeries

CONF = Path(__file__).parents[2] / "conf" / "market"
NEM = ZoneInfo("Etc/GMT-10")
NEW_YORK = ZoneInfo("America/New_York")
TEXAS = ZoneInfo("America/Chicago")

AEMO_HEADER = "REGION,SETTLEMENTDATE,TOTALDEMAND,RRP,PERIODTYPE"
NYISO_HEADER = (
    '"Time Stamp","Name","PTID","LBMP ($/MWHr)","Marginal Cost Losses ($/MWHr)","Marginal Cost Congestion ($/MWHr)"'
)
CAISO_HEADER = (
    "INTERVALSTARTTIME_GMT,INTERVALENDTIME_GMT,OPR_DT,OPR_HR,NODE_ID_XML,NODE_ID,NODE,MARKET_RUN_ID,LMP_TYPE,"
    "XML_DATA_ITEM,PNODE_RESMRID,GRP_TYPE,POS,{price},OPR_INTERVAL,GROUP"
)
ERCOT_HEADER = (
    "DeliveryDate,DeliveryHour,DeliveryInterval,SettlementPointName,SettlementPointType,SettlementPointPrice,DSTFlag"
)


@cache
def defaults(option: str) -> Any:
    """Return the options of conf/market/<option>.yaml."""
    return OmegaConf.load(CONF / f"{option}.yaml")


def market(option: str, path: Path | str, **changes: Any) -> Any:
    """Return the market of conf/market/<option>.yaml for a path, without a cache, with some options changed."""
    options = deepcopy(defaults(option))
    OmegaConf.set_struct(options, True)
    OmegaConf.update(options, "cache", None)
    for name, value in ({"path": str(path)} | changes).items():
        is_new = name.startswith(("columns.", "lead_h.", "published.", "forecasts."))
        OmegaConf.update(options, name, value, force_add=is_new, merge=not isinstance(value, dict))
    return instantiate(options, _convert_="all")


def read(option: str, path: Path | str, **changes: Any) -> MarketSeries:
    """Return the series of a market for a path."""
    return market(option, path, **changes).load()


def write(file: Path, header: str, rows: Sequence[str]) -> Path:
    """Write a CSV file."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("\n".join([header, *rows]) + "\n")
    return file


def times(start: datetime, count: int, minutes: int) -> list[datetime]:
    """Return ``count`` UTC times at intervals of ``minutes``."""
    return [start.astimezone(UTC) + timedelta(minutes=minutes * i) for i in range(count)]


def aemo_rows(start: datetime, prices: Sequence[float], minutes: int = 5, region: str = "VIC1") -> list[str]:
    """Return rows of PRICE_AND_DEMAND, stamped by the end of the interval in UTC+10."""
    ends = [(time + timedelta(minutes=minutes)).astimezone(NEM) for time in times(start, len(prices), minutes)]
    stamps = [f"{end:%Y/%m/%d %H:%M:%S}" for end in ends]
    return [f"{region},{s},{5000 + p!r},{p!r},TRADE" for s, p in zip(stamps, prices, strict=True)]


def nyiso_rows(
    start: datetime, prices: Sequence[float], minutes: int = 5, zone: str = "N.Y.C.", end: bool = True
) -> list[str]:
    """Return rows of an LBMP file, stamped by the end (or start) of the interval on New York's clock."""
    shift = timedelta(minutes=minutes if end else 0)
    stamps = [f"{(time + shift).astimezone(NEW_YORK):%m/%d/%Y %H:%M:%S}" for time in times(start, len(prices), minutes)]
    stamps = stamps if end else [stamp[:-3] for stamp in stamps]
    return [f'"{s}","{zone}",61761,{p!r},1.2,-3.4' for s, p in zip(stamps, prices, strict=True)]


def caiso_rows(
    start: datetime,
    prices: Sequence[float],
    minutes: int = 5,
    node: str = "TH_NP15_GEN-APND",
    run: str = "RTM",
    parts: Sequence[str] = ("LMP", "MCC"),
) -> list[str]:
    """Return rows of an OASIS file, stamped by the start of the interval in GMT, with a row per price component."""
    rows = []
    for part in parts:
        for time, price in zip(times(start, len(prices), minutes), prices, strict=True):
            value = price if part == "LMP" else 0.25
            end = time + timedelta(minutes=minutes)
            stamps = f"{time:%Y-%m-%dT%H:%M:%S}-00:00,{end:%Y-%m-%dT%H:%M:%S}-00:00,{time:%Y-%m-%d},{time.hour + 1}"
            rows.append(f"{stamps},{node},{node},{node},{run},{part},{part}_PRC,{node},ALL,0,{value!r},1,1")
    return rows


def ercot_rows(
    start: datetime, prices: Sequence[float], point: str = "HB_NORTH", kind: str = "HU", minutes: int = 15
) -> list[str]:
    """Return rows of NP6-905, with hours numbered by their end on Texas's clock and the repeated hour flagged."""
    rows = []
    for time, price in zip(times(start, len(prices), minutes), prices, strict=True):
        local = time.astimezone(TEXAS)
        flag = "Y" if local.fold else "N"
        quarter = local.minute // 15 + 1
        rows.append(f"{local:%m/%d/%Y},{local.hour + 1},{quarter},{point},{kind},{price!r},{flag}")
    return rows
