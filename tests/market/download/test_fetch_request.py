"""Fetch requests: each wrong argument is one message with the rule and what to write."""

from __future__ import annotations

import sys
from datetime import datetime

import pytest

from battery_lab.common.errors import ConfigError
from battery_lab.market.download.fetch_request import parse_request
from battery_lab.market.download.library_call import import_library
from battery_lab.market.download.operators import NOT_OFFERED, OPERATORS
from tests.market.operator_files import CONF

GOOD = {"market": "aemo", "location": "nsw1", "period": "2024-01-01/2024-03-31", "folder": "prices"}


def now(zone):
    return datetime(2024, 4, 1, 0, 30, tzinfo=zone)


def test_a_request():
    request = parse_request(GOOD, now)
    assert (request.product.name, request.location, str(request.first), str(request.last)) == (
        "dispatch",
        "NSW1",
        "2024-01-01",
        "2024-03-31",
    )
    zone = parse_request(GOOD | {"market": "nyiso", "location": "Long Island"}, now).location
    assert zone == "LONGIL"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"market": ""}, "market must be one of aemo, nyiso, caiso, .*: for instance market=aemo"),
        ({"market": "nysio"}, "market must be one of aemo, .*: got 'nysio'"),
        ({"market": "entsoe"}, "does not download ENTSO-E; download the files .* read them with market=entsoe"),
        ({"market": "nemweb"}, "write market=aemo, whose files market=nemweb reads"),
        ({"product": "spot"}, "product must be one of dispatch, trading, predispatch, p5min for market=aemo"),
        ({"location": ""}, "location must name a region, for instance location=NSW1"),
        ({"location": "NSW"}, "location must be a region, one of NSW1, QLD1, SA1, TAS1, VIC1, got 'NSW'"),
        ({"market": "nyiso", "location": "ZONE Z"}, "location must be a zone, one of WEST, GENESE, "),
        ({"market": "pjm", "location": "WESTERN HUB"}, "must be the number of a pricing node"),
        ({"period": "2024"}, "period must be <first day>/<last day>, for instance period=2024-01-01/2024-03-31, got"),
        ({"period": "2024-02-30/2024-03-01"}, "period has a day that does not exist"),
        ({"period": "2024-03-31/2024-01-01"}, "first day, got .*: write 2024-01-01/2024-03-31"),
        ({"period": "2024-01-01/2024-04-01"}, "period must end before today, 2024-04-01 on the clock Etc/GMT-10"),
        ({"period": "1024-01-01/2024-01-01"}, "must not begin before 1999"),
        ({"folder": ""}, "folder must name the folder of the files, for instance folder=prices/aemo"),
    ],
)
def test_wrong_arguments(changes, message):
    with pytest.raises(ConfigError, match=message):
        parse_request(GOOD | changes, now)


def test_each_operator_is_a_market_of_the_lab():
    markets = {path.stem for path in CONF.glob("*.yaml")}
    assert set(OPERATORS) | set(NOT_OFFERED) == markets - {"table", "synthetic"}


def test_a_missing_library_says_how_to_install_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "gridstatus", None)
    with pytest.raises(ConfigError, match="needs the package gridstatus, which is not installed: run make setup-live"):
        import_library("gridstatus")
