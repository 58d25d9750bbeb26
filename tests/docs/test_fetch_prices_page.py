"""The page on `battery-lab data fetch`: its commands are requests, and its table lists what can be fetched."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

from battery_lab.market.download.fetch_request import parse_request
from battery_lab.market.download.operators import OPERATORS

PAGE = (Path(__file__).parents[2] / "docs" / "how-to" / "fetch-prices.md").read_text()


def test_the_commands_are_requests():
    commands = re.findall(r"^battery-lab data fetch (.*)$", PAGE, re.MULTILINE)
    requests = [parse_request(dict(pair.split("=", 1) for pair in shlex.split(command))) for command in commands]
    assert [request.product.name for request in requests] == ["dispatch", "p5min"]


def test_the_table_lists_the_products_of_each_operator():
    table = re.findall(r"^\| `(\w+)` \| (.*?) \|.*\|.*\| (.*) \|$", PAGE, re.MULTILINE)
    listed = [(market, name) for market, products, _ in table for name in re.findall(r"`(\w+)`", products)]
    assert listed == [(name, product.name) for name, one in OPERATORS.items() for product in one.products]
