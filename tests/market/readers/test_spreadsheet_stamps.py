"""Spreadsheet stamps: operators' files are read the same if a spreadsheet rewrote their stamps."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd
import pytest

from battery_lab.common.errors import DataError
from tests.market import operator_files as files
from tests.market import operator_reports as reports

START = datetime(2024, 7, 14, 14, tzinfo=UTC)
PRICES = [float(price) for price in range(30)]
OPERATORS = {
    "aemo": (files.AEMO_HEADER, files.aemo_rows(START, PRICES)),
    "nyiso": (files.NYISO_HEADER, files.nyiso_rows(START, PRICES)),
    "pjm": (reports.PJM_HEADER.format(run="rt"), reports.pjm_rows(START, PRICES)),
    "spp": (reports.SPP_HEADER, reports.spp_rows(START, PRICES)),
}
STAMP = re.compile(r"\d+/\d+/\d+ \d+:\d\d(:\d\d)?( [AP]M)?")


def rewritten(row: str, form: str) -> str:
    """Return a row with its stamps in a form."""

    def rewrite(match: re.Match[str]) -> str:
        stamp = pd.to_datetime(match[0])
        return form.format(s=stamp, half="AM" if stamp.hour < 12 else "PM", hour=(stamp.hour - 1) % 12 + 1)

    return STAMP.sub(rewrite, row)


@pytest.mark.parametrize("option", sorted(OPERATORS))
@pytest.mark.parametrize(
    "form",
    [
        "{s.day}/{s.month:02d}/{s.year} {s.hour}:{s.minute:02d}:{s.second:02d}",
        "{s.month}/{s.day}/{s.year} {hour}:{s.minute:02d} {half}",
        "{s.day:02d}.{s.month:02d}.{s.year} {s.hour:02d}:{s.minute:02d}",
    ],
)
def test_stamps_that_a_spreadsheet_rewrote(tmp_path: Path, option: str, form: str) -> None:
    header, rows = OPERATORS[option]
    expected = files.read(option, files.write(tmp_path / "RTBM-LMP.csv", header, rows))
    changed = [rewritten(row, form) for row in rows]
    series = files.read(option, files.write(tmp_path / "RTBM-LMP.csv", header, changed))
    assert series.digest == expected.digest


def test_stamps_with_two_meanings_are_refused_with_a_way_on(tmp_path: Path) -> None:
    rows = files.aemo_rows(datetime(2024, 1, 4, tzinfo=UTC), PRICES)
    changed = [rewritten(row, "{s.day}/{s.month:02d}/{s.year} {s.hour}:{s.minute:02d}") for row in rows]
    file = files.write(tmp_path / "x.csv", files.AEMO_HEADER, changed)
    with pytest.raises(DataError, match="row 2: day or month may be first .*Save them like 2024-01-31 .*market=table"):
        files.read("aemo", file)
    damaged = files.write(
        tmp_path / "x.csv", files.AEMO_HEADER, [*rows[:-1], rows[-1].replace("2024/01/04", "4/1/2024")]
    )
    with pytest.raises(DataError, match="row 31: the time stamp is '4/1/2024"):
        files.read("aemo", damaged)
