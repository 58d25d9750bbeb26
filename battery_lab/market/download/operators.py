"""Operators: what can be downloaded of each, and how the libraries name it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from battery_lab.common.errors import ConfigError
from battery_lab.market.readers.nem_market import LOCAL_TIME, NEM_TIME
from battery_lab.market.readers.nyiso_zones import ZONES, zone_name

Unit = Literal["day", "month", "year"]


@dataclass(frozen=True, kw_only=True)
class Product:
    """A kind of prices or forecasts.

    Attributes:
        name: its name on the command line.
        table: AEMO's table, for NEMOSIS.
        method: gridstatus's method.
        arguments: arguments of the method besides the period and the location.
        takes_location: whether the method takes the location; otherwise it returns all.
        unit: the period of one file, one request of the method.
        day_ahead: whether the prices are those of the day-ahead market.
        forecast: whether it is a forecast, published again and again.
        all_locations: whether one file holds the prices of all locations.
    """

    name: str
    table: str = ""
    method: str = "get_lmp"
    arguments: Mapping[str, Any] = field(default_factory=dict)
    takes_location: bool = True
    unit: Unit = "day"
    day_ahead: bool = False
    forecast: bool = False
    all_locations: bool = False


@dataclass(frozen=True, kw_only=True)
class Operator:
    """An operator of a market.

    Attributes:
        name: the name of its option in ``conf/market``.
        library: the library that downloads: ``nemosis`` or ``gridstatus``.
        class_name: gridstatus's class.
        time_zone: the clock of its days.
        hosts: its servers.
        locations: what its locations are, in words.
        example: one of them.
        location_name: returns the operator's name of a location for what a user writes.
        location_column: the column of gridstatus's table that holds it.
        key_variable: environment variable of the key that its server needs; "" if it needs none.
        products: what can be downloaded; the first is the default.
    """

    name: str
    library: Literal["nemosis", "gridstatus"] = "gridstatus"
    class_name: str = ""
    time_zone: str
    hosts: tuple[str, ...]
    locations: str
    example: str
    location_name: Callable[[str], str] = str
    location_column: str = "Location"
    key_variable: str = ""
    products: tuple[Product, ...]


def _market(name: str, market: str, **options: Any) -> Product:
    """Return a product of gridstatus's ``get_lmp``, which takes the name of a market."""
    return Product(name=name, arguments={"market": market}, day_ahead=name == "day_ahead", **options)


def _one_of(names: tuple[str, ...], what: str, usual: Callable[[str], str]) -> Callable[[str], str]:
    """Return a function that returns the operator's name of a location, and is an error for others."""

    def name_of(text: str) -> str:
        name = usual(text)
        if name not in names:
            raise ConfigError(f"location must be {what}, one of {', '.join(names)}, got {text!r}")
        return name

    return name_of


def _digits(text: str) -> str:
    if not text.isdecimal():
        raise ConfigError(f"location must be the number of a pricing node (pnode_id), such as 51288, got {text!r}")
    return text


REGIONS, NYISO_NAMES = tuple(LOCAL_TIME), tuple(ZONES)

_ALL = (
    Operator(
        name="aemo",
        library="nemosis",
        time_zone=NEM_TIME,
        hosts=("www.nemweb.com.au", "nemweb.com.au"),
        locations="a region",
        example="NSW1",
        location_name=_one_of(REGIONS, "a region", str.upper),
        products=(
            Product(name="dispatch", table="DISPATCHPRICE", unit="month", all_locations=True),
            Product(name="trading", table="TRADINGPRICE", unit="month", all_locations=True),
            Product(name="predispatch", table="PREDISPATCHPRICE", unit="month", forecast=True),
            Product(name="p5min", table="P5MIN_REGIONSOLUTION", unit="month", forecast=True),
        ),
    ),
    Operator(
        name="nyiso",
        class_name="NYISO",
        time_zone="America/New_York",
        hosts=("mis.nyiso.com",),  # codespell:ignore mis
        locations="a zone",
        example="N.Y.C.",
        location_name=_one_of(NYISO_NAMES, "a zone", zone_name),
        products=(
            _market("real_time", "REAL_TIME_5_MIN", unit="month"),
            _market("day_ahead", "DAY_AHEAD_HOURLY", unit="month"),
        ),
    ),
    Operator(
        name="caiso",
        class_name="CAISO",
        time_zone="America/Los_Angeles",
        hosts=("oasis.caiso.com",),
        locations="a node",
        example="TH_NP15_GEN-APND",
        products=(
            _market("real_time", "REAL_TIME_5_MIN", unit="month"),
            _market("fifteen_minute", "REAL_TIME_15_MIN", unit="month"),
            _market("day_ahead", "DAY_AHEAD_HOURLY", unit="month"),
        ),
    ),
    Operator(
        name="ercot",
        class_name="Ercot",
        time_zone="America/Chicago",
        hosts=("www.ercot.com",),
        locations="a hub or a load zone",
        example="HB_NORTH",
        products=(
            Product(name="real_time", method="get_rtm_spp", takes_location=False, unit="year"),
            Product(name="day_ahead", method="get_dam_spp", takes_location=False, unit="year", day_ahead=True),
        ),
    ),
    Operator(
        name="isone",
        class_name="ISONE",
        time_zone="America/New_York",
        hosts=("www.iso-ne.com",),
        locations="a location",
        example=".H.INTERNAL_HUB",
        products=(
            _market("real_time", "REAL_TIME_5_MIN"),
            _market("real_time_hourly", "REAL_TIME_HOURLY"),
            _market("day_ahead", "DAY_AHEAD_HOURLY"),
        ),
    ),
    Operator(
        name="miso",
        class_name="MISO",
        time_zone="Etc/GMT+5",
        hosts=("docs.misoenergy.org",),
        locations="a node",
        example="INDIANA.HUB",
        products=(_market("real_time", "REAL_TIME_HOURLY_FINAL"), _market("day_ahead", "DAY_AHEAD_HOURLY")),
    ),
    Operator(
        name="pjm",
        class_name="PJM",
        time_zone="America/New_York",
        hosts=("api.pjm.com",),
        locations="the number of a pricing node",
        example="51288",
        location_name=_digits,
        location_column="Location Id",
        key_variable="PJM_API_KEY",
        products=(
            _market("real_time", "REAL_TIME_5_MIN"),
            _market("real_time_hourly", "REAL_TIME_HOURLY", unit="month"),
            _market("day_ahead", "DAY_AHEAD_HOURLY", unit="month"),
        ),
    ),
    Operator(
        name="spp",
        class_name="SPP",
        time_zone="America/Chicago",
        hosts=("portal.spp.org",),
        locations="a settlement location",
        example="SPPNORTH_HUB",
        products=(
            Product(
                name="real_time",
                method="get_lmp_real_time_5_min_by_location",
                arguments={"use_daily_files": True},
                takes_location=False,
            ),
            Product(name="day_ahead", method="get_lmp_day_ahead_hourly", takes_location=False, day_ahead=True),
        ),
    ),
    Operator(
        name="ieso",
        class_name="IESO",
        time_zone="Etc/GMT+5",
        hosts=("reports-public.ieso.ca",),
        locations="a location",
        example="TORONTO",
        products=(Product(name="day_ahead", method="get_lmp_day_ahead_hourly", takes_location=False, day_ahead=True),),
    ),
)
OPERATORS = {operator.name: operator for operator in _ALL}
# Markets that the lab reads and the libraries do not download -> what to do.
NOT_OFFERED = {
    "nemweb": "write market=aemo, whose files market=nemweb reads",
    **{
        name: f"gridstatus 0.34.0 does not download {title}; download the files from its website, and read them with "
        f"market={name}"
        for name, title in (("entsoe", "ENTSO-E"), ("nordpool", "Nord Pool"), ("elexon", "Elexon"))
    },
}
