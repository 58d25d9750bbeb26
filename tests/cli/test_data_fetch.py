"""`battery-lab data fetch`: what it prints, and that its commands read the prices that were served."""

from __future__ import annotations

import shlex

import pytest

from battery_lab.config.build import build_part
from battery_lab.config.compose import compose
from tests.market.download.conftest import certificate, operator  # noqa: F401
from tests.market.download.operator_proxy import Answer
from tests.market.download.recorded_answers import aemo_month

pytest.importorskip("nemosis", reason="make setup-live")
pytestmark = pytest.mark.walk
PRICES = [30.0, 31.5, -2.25, 40.0, 28.0, 27.0] * 48
TYPED = ("data", "fetch", "market=aemo", "location=NSW1", "period=2023-01-01/2023-02-28", "folder=my prices")


def test_a_failure_names_the_days_and_the_same_command_completes_them(lab, operator):  # noqa: F811
    operator.serve("202301", aemo_month(PRICES, 2023, 1, regions=("NSW1", "VIC1")))
    operator.serve("202302", Answer(b"", 404), aemo_month(PRICES, 2023, 2, regions=("NSW1", "VIC1")))
    output = lab(*TYPED)
    assert output.status == 1
    assert "28 days are missing: 2023-02-01 to 2023-02-28 (www.nemweb.com.au answered 404 for" in output.err
    repeat = output.err.split("repeat the command:\n  ")[1].strip()
    again = lab(*shlex.split(repeat)[1:])
    assert (again.status, again.out.splitlines()[0]) == (
        0,
        "aemo dispatch, 2023-01-01 to 2023-02-28: 1 files downloaded, 1 kept, in my prices",
    )
    assert "1/2 2023-01: kept, as its checksum is right\n2/2 2023-02: PUBLIC_DVD" in again.err
    assert again.err.count("\n") == 2
    check, train = [line.strip() for line in again.out.splitlines() if line.startswith("  battery-lab")]
    assert check == "battery-lab data check 'my prices' market=nemweb market.region=NSW1"
    changes = ("market.cache=null", "market.gaps=split")
    series = build_part(compose([*shlex.split(train)[1:], *changes]), "market").load()
    assert series.price[: len(PRICES)].tolist() == PRICES


def test_an_error_is_one_line(lab):
    output = lab("data", "fetch", "market=aemo")
    assert (output.status, output.out) == (1, "")
    assert output.err == "error: location must name a region, for instance location=NSW1\n"
