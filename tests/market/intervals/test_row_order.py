"""Row order: newest-first files are reversed, and files in disorder are refused."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from battery_lab.common.errors import DataError
from tests.market import operator_files as files

NIGHT = datetime(2024, 1, 1, tzinfo=UTC)
BERLIN = {"time_zone": "Europe/Berlin", "currency": "EUR"}
PRICES = [float(price) for price in range(20)]


def test_newest_first_files_are_reversed(tmp_path: Path) -> None:
    rows = files.aemo_rows(NIGHT, PRICES)
    files.write(tmp_path / "a.csv", files.AEMO_HEADER, rows[:10][::-1])
    files.write(tmp_path / "b.csv", files.AEMO_HEADER, rows[10:][::-1])
    series = files.read("aemo", tmp_path)
    assert series.price.tolist() == PRICES
    assert series.notes == ("a.csv and 1 more file: the newest rows come first, and were reversed",)


def test_a_newest_first_file_keeps_the_passes_of_the_repeated_hour_apart(tmp_path: Path) -> None:
    midnight = datetime(2024, 11, 3, tzinfo=files.NEW_YORK)
    rows = files.nyiso_rows(midnight, [float(price) for price in range(25 * 12)])
    oldest = files.read("nyiso", files.write(tmp_path / "a.csv", files.NYISO_HEADER, rows))
    newest = files.read("nyiso", files.write(tmp_path / "b.csv", files.NYISO_HEADER, rows[::-1]))
    assert newest.digest == oldest.digest


def test_a_file_in_disorder_is_refused_in_either_direction(tmp_path: Path) -> None:
    rows = files.aemo_rows(NIGHT, PRICES)
    for swapped in ([*rows[:5], rows[6], rows[5], *rows[7:]], [*rows[::-1][:5], rows[13], rows[14], *rows[::-1][7:]]):
        file = files.write(tmp_path / "x.csv", files.AEMO_HEADER, swapped)
        with pytest.raises(DataError, match="the rows are not in order of time: .*Sort the rows by time"):
            files.read("aemo", file)
