"""Corrupted rows: a file that lost a row, repeats one with another price or has two in the wrong order is refused."""

from __future__ import annotations

import re
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from battery_lab.common.errors import DataError
from tests.market import operator_files as files
from tests.market.intervals.drawn_stretches import quick, stretches


def corrupted(data: st.DataObject, kind: str, rows: list[str]) -> list[str]:
    i = data.draw(st.integers(2, len(rows) - 3))
    if kind == "a gap of":
        return rows[:i] + rows[i + 1 :]
    if kind == "already exists":
        return rows[: i + 1] + [re.sub(r"(-?\d+\.\d+)(?=,(TRADE|[YN]|1\.2)|$)", "77.125", rows[i])] + rows[i + 1 :]
    return [*rows[:i], rows[i + 1], rows[i], *rows[i + 2 :]]


@quick
@given(data=st.data(), kind=st.sampled_from(["a gap of", "already exists", "not in order"]))
@pytest.mark.parametrize("option", ["aemo", "nyiso", "ercot"])
def test_dropped_duplicate_or_swapped_row_is_an_error(option: str, data: st.DataObject, kind: str) -> None:
    minutes = 15 if option == "ercot" else 5
    start, prices = data.draw(stretches(minutes))
    write = {"aemo": files.aemo_rows, "nyiso": files.nyiso_rows, "ercot": files.ercot_rows}[option]
    header = {"aemo": files.AEMO_HEADER, "nyiso": files.NYISO_HEADER, "ercot": files.ERCOT_HEADER}[option]
    rows = corrupted(data, kind, write(start, prices))
    # Where New York repeats an hour, a step back marks the second pass, so that any of the errors may be raised.
    word = "row" if option == "nyiso" else kind
    with tempfile.TemporaryDirectory() as folder:
        file = files.write(Path(folder) / "x.csv", header, rows)
        with pytest.raises(DataError, match=word):
            files.read(option, file)
