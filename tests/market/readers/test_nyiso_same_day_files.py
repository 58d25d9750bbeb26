"""Same-day files of New York: forecasts after the last real-time price are left out; hourly files are known as such."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from battery_lab.common.errors import DataError
from tests.market import operator_files as files

MIDNIGHT = datetime(2024, 6, 4, tzinfo=files.NEW_YORK)


def forecasts(end: datetime, count: int, zone: str = "N.Y.C.") -> list[str]:
    """Return rows at the quarters of an hour after the last real-time stamp, at a price of 999."""
    first = end.replace(minute=end.minute // 15 * 15) + timedelta(minutes=15)
    return files.nyiso_rows(first, [999.0] * count, 15, zone, end=False)


def same_day(folder: Path, intervals: int, count: int, name: str = "20240604realtime_zone.csv") -> Path:
    rows = files.nyiso_rows(MIDNIGHT, [30.0 + i % 10 for i in range(intervals)])
    tail = forecasts(MIDNIGHT + timedelta(minutes=5 * intervals), count)
    return files.write(folder / name, files.NYISO_HEADER, rows + tail)


def stamped(folder: Path, *parts: tuple[datetime, int, int, float]) -> Path:
    """Write rows whose stamps begin at a time, a number of minutes apart, at one price in each part."""
    rows = [
        row for start, count, step, price in parts for row in files.nyiso_rows(start, [price] * count, step, end=False)
    ]
    return files.write(folder / "20240604realtime_zone.csv", files.NYISO_HEADER, rows)


def at(minutes: int) -> datetime:
    return MIDNIGHT + timedelta(minutes=minutes)


@pytest.mark.parametrize("gaps", ["refuse", "fill", "split", "fill_or_split"])
# The last real-time stamp is 5 or 10 minutes before the first forecast.
@pytest.mark.parametrize("intervals", [151, 152])
@pytest.mark.parametrize("stamps", ["auto", "end", "start"])
def test_forecasts_after_the_last_price_are_dropped_and_named(
    tmp_path: Path, intervals: int, gaps: str, stamps: str
) -> None:
    series = files.read("nyiso", same_day(tmp_path, intervals, 10), gaps=gaps, stamps=stamps)
    assert len(series) == intervals and series.price.max() < 100
    assert not series.is_filled.any() and not series.gap.any()
    (note,) = series.notes
    assert f"20240604realtime_zone.csv: rows {intervals + 2} to {intervals + 11}, stamped 2024-06-04 12:45:00" in note
    assert "forecasts (RTC)" in note


@pytest.mark.parametrize("count", [1, 2, 10])
def test_a_price_on_a_quarter_before_forecasts_may_be_one_and_is_dropped_too(tmp_path: Path, count: int) -> None:
    series = files.read("nyiso", same_day(tmp_path, 150, count))
    assert len(series) == 149 and series.price.max() < 100
    assert f"rows 151 to {151 + count}, stamped 2024-06-04 12:30:00" in series.notes[0]


def test_a_price_on_a_quarter_before_three_forecasts_is_one(tmp_path: Path) -> None:
    series = files.read("nyiso", same_day(tmp_path, 150, 3))
    assert len(series) == 150 and series.price.max() < 100
    assert "rows 152 to 154, stamped 2024-06-04 12:45:00" in series.notes[0]


def test_three_stamps_that_follow_a_price_at_once_are_all_forecasts(tmp_path: Path) -> None:
    series = files.read("nyiso", stamped(tmp_path, (at(5), 149, 5, 30.0), (at(750), 3, 15, 999.0)))
    assert (len(series), series.price.max()) == (149, 30)


@pytest.mark.parametrize("first", [755, 765, 795])
def test_forecasts_that_begin_long_after_the_last_price_are_dropped(tmp_path: Path, first: int) -> None:
    quarter = at(-(-first // 15) * 15)
    file = stamped(tmp_path, (at(5), 146, 5, 30.0), (quarter, 6, 15, 999.0))
    for gaps in ("fill", "split"):
        series = files.read("nyiso", file, gaps=gaps)
        assert (len(series), series.price.max()) == (146, 30)


def test_forecasts_before_a_break_within_a_file_are_dropped(tmp_path: Path) -> None:
    parts = [(at(5), 146, 5, 30.0), (at(735), 8, 15, 999.0), (at(865), 115, 5, 31.0)]
    series = files.read("nyiso", stamped(tmp_path, *parts), gaps="split")
    assert (len(series), series.price.max(), series.gap.sum()) == (287, 31, 26)
    assert "rows 148 to 155" in series.notes[0]


@pytest.mark.parametrize(
    "parts",
    [
        # Prices follow at once, and forecasts up to midnight.
        [(at(5), 146, 5, 30.0), (at(735), 4, 15, 999.0), (at(785), 132, 5, 31.0)],
        [(at(5), 261, 5, 30.0), (at(1320), 9, 15, 999.0)],
    ],
    ids=["within", "midnight"],
)
@pytest.mark.parametrize("gaps", ["refuse", "fill", "split"])
def test_rows_that_may_be_forecasts_or_prices_are_refused(tmp_path: Path, parts: list, gaps: str) -> None:
    with pytest.raises(DataError, match=r"row \d+: rows .* 15 minutes apart .*: forecasts \(RTC\) or prices. Download"):
        files.read("nyiso", stamped(tmp_path, *parts), gaps=gaps)


def test_missing_prices_are_not_taken_for_forecasts(tmp_path: Path) -> None:
    # More rows than forecasts can be, up to midnight: the file has two lengths of intervals.
    thinned = stamped(tmp_path, (at(5), 239, 5, 30.0), (at(1200), 17, 15, 31.0))
    with pytest.raises(DataError, match="row 242: wrong interval: 15 minutes from 2024-06-04 20:00:00"):
        files.read("nyiso", thinned, gaps="split")
    # A whole day without 23:50 and 23:55, and a day without two rows.
    for missing in (1430, 620):
        rows = files.nyiso_rows(MIDNIGHT, [float(price) for price in range(288)])
        del rows[missing // 5 - 1 : missing // 5 + 1]
        file = files.write(tmp_path / "20240604realtime_zone.csv", files.NYISO_HEADER, rows)
        series = files.read("nyiso", file, gaps="split")
        assert (len(series), series.price[-1], series.gap.sum(), series.notes) == (288, 287, 2, ())


def test_forecasts_are_dropped_in_every_zone_and_in_a_folder(tmp_path: Path) -> None:
    whole = files.nyiso_rows(MIDNIGHT - timedelta(days=1), [20.0] * 288)
    files.write(tmp_path / "20240603realtime_zone.csv", files.NYISO_HEADER, whole)
    zones = ("N.Y.C.", "WEST")
    rows = [files.nyiso_rows(MIDNIGHT, [30.0] * 150, zone=zone) for zone in zones]
    tail = [forecasts(MIDNIGHT + timedelta(minutes=750), 3, zone) for zone in zones]
    both = [row for pairs in (rows, tail) for pair in zip(*pairs, strict=True) for row in pair]
    files.write(tmp_path / "20240604realtime_zone.csv", files.NYISO_HEADER, both)
    series = files.read("nyiso", tmp_path, zone="N.Y.C.", gaps="fill")
    assert (len(series), series.price.max()) == (288 + 150, 30)


def test_a_file_of_forecasts_alone_has_no_prices(tmp_path: Path) -> None:
    file = files.write(tmp_path / "x.csv", f"\n{files.NYISO_HEADER}", forecasts(MIDNIGHT, 3))
    with pytest.raises(
        DataError, match="no rows of prices .*x.csv holds forecasts \\(RTC\\) alone, and no settled price"
    ):
        files.read("nyiso", file, gaps="fill")


def test_whole_days_keep_every_row_also_with_a_gap_in_them(tmp_path: Path) -> None:
    rows = files.nyiso_rows(MIDNIGHT, [float(price) for price in range(288)])
    file = files.write(tmp_path / "x.csv", files.NYISO_HEADER, rows[:100] + rows[130:])
    series = files.read("nyiso", file, gaps="split")
    assert (len(series), series.price[-1], series.notes) == (288, 287, ())


def test_a_series_of_quarter_hours_is_kept(tmp_path: Path) -> None:
    rows = files.nyiso_rows(MIDNIGHT, [float(price) for price in range(12)], 15)
    assert len(files.read("nyiso", files.write(tmp_path / "x.csv", files.NYISO_HEADER, rows))) == 12


@pytest.mark.parametrize(("minutes", "end"), [(5, True), (15, True), (60, False)])
def test_what_stamps_mark_follows_from_the_interval(tmp_path: Path, minutes: int, end: bool) -> None:
    rows = files.nyiso_rows(MIDNIGHT, [float(price) for price in range(24)], minutes, end=end)
    file = files.write(tmp_path / "x.csv", files.NYISO_HEADER, rows)
    midnight = np.datetime64(MIDNIGHT.astimezone(UTC).replace(tzinfo=None), "s")
    assert files.read("nyiso", file).start[0] == midnight
    for stamps in ("start", "end"):
        shift = int(end) - int(stamps == "end")
        start = files.read("nyiso", file, stamps=stamps).start[0]
        assert start == midnight + np.timedelta64(shift * minutes, "m")


@pytest.mark.parametrize(
    "choices", [{"interval_minutes": 15, "resample": "mean"}, {"resample": "mean", "interval_minutes": 60}]
)
def test_forecasts_are_left_out_also_where_prices_become_longer_intervals(tmp_path: Path, choices: dict) -> None:
    series = files.read("nyiso", same_day(tmp_path, 144, 3), **choices)
    assert series.price.max() < 100
    assert series.interval_h == choices["interval_minutes"] / 60
    assert any("forecasts (RTC)" in note for note in series.notes)


def test_rows_between_intervals_that_are_dropped_are_counted(tmp_path: Path) -> None:
    rows = files.nyiso_rows(MIDNIGHT, [30.0] * 24)
    between = rows[3].replace("00:20:00", "00:18:07")
    assert between != rows[3]
    file = files.write(tmp_path / "x.csv", files.NYISO_HEADER, [*rows[:3], between, *rows[3:]])
    series = files.read("nyiso", file, off_grid="drop")
    assert series.notes == ("x.csv: 1 row between two intervals left out (market.off_grid)",)
