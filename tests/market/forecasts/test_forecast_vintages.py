"""Forecast vintages: which run is the newest at a time, how rows become runs, and which rows are refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from battery_lab.common.errors import DataError
from battery_lab.market.forecasts.forecast_vintages import ForecastVintages, stored_runs
from battery_lab.market.forecasts.vintage_runs import Runs

MIDNIGHT = np.datetime64("2024-01-01T00:00:00", "s")


def at(*minutes: float) -> NDArray[np.datetime64]:
    """Return times in minutes after midnight."""
    return MIDNIGHT + np.array([round(60 * m) for m in minutes]).astype("timedelta64[s]")


def of(rows: list[tuple[float, float, float]], **options: Any) -> ForecastVintages:
    """Return the forecasts of rows (minute of publication, minute of start, value) in steps of 30 minutes."""
    published, start, value = zip(*rows, strict=True)
    given_options = {"name": "predispatch", "quantity": "price", "step_h": 0.5} | options
    return ForecastVintages.of(published=at(*published), start=at(*start), value=np.array(value), **given_options)


TWO_RUNS = [(2.0, 30, 10.0), (2.0, 60, 11.0), (32.0, 60, 20.0), (32.0, 90, 21.0)]


def test_the_newest_run_is_the_last_one_published_up_to_the_time() -> None:
    vintages = of(TWO_RUNS)
    assert vintages.newest(at(0, 1.9, 2, 31, 32, 500)).tolist() == [-1, -1, 0, 0, 1, 1]
    assert vintages.as_of(at(1)[0]) is None
    vintage = vintages.as_of(at(40)[0])
    assert vintage is not None
    # The run before it has the present half hour.
    assert vintage.start.tolist() == at(30, 60, 90).tolist()
    assert vintage.values.tolist() == [10.0, 20.0, 21.0]
    assert vintage.value_published.tolist() == at(2, 32, 32).tolist()
    assert vintage.published == at(32)[0]
    assert vintage.age_h == pytest.approx(8 / 60)


def test_latency_delays_every_run() -> None:
    vintages = of(TWO_RUNS).delayed(5 / 60)
    assert vintages.newest(at(2, 7, 36.9, 37)).tolist() == [-1, 0, 0, 1]
    assert vintages.digest != of(TWO_RUNS).digest == vintages.delayed(0.0).digest
    seen = vintages.as_of(at(36.9)[0])
    assert seen is not None
    assert seen.age_h == pytest.approx(34.9 / 60)
    with pytest.raises(ValueError, match="latency_h must be 0 or more"):
        vintages.delayed(-1.0)


def test_a_run_is_not_seen_in_the_second_before_it_is_published() -> None:
    late = at(10) + np.array([900], "timedelta64[ms]")
    vintages = ForecastVintages.of(
        name="p", quantity="price", step_h=0.5, published=late, start=at(30), value=np.ones(1)
    )
    assert vintages.as_of(at(10)[0]) is None
    assert vintages.as_of(at(10 + 1 / 60)[0]) is not None


def test_what_is_seen_cannot_be_written() -> None:
    vintages = of(TWO_RUNS)
    vintage = vintages.as_of(at(40)[0])
    assert vintage is not None
    for array in (vintage.values, vintage.start, vintage.value_published):
        assert not any(np.shares_memory(array, stored) for stored in stored_runs(vintages))  # no way to later runs
        with pytest.raises(ValueError, match="read-only"):
            array[0] = array[1]


def test_stored_runs_cannot_be_written_through_the_arrays_that_they_were_made_of() -> None:
    numbers = np.arange(4, dtype=np.float32)
    runs = Runs(at(0, 5), at(30, 60), np.array([0, 2, 4]), numbers[:])
    vintages = ForecastVintages.of_runs(name="p", quantity="price", step_h=0.5, runs=runs)
    numbers[:] = 9
    for array in stored_runs(vintages):
        while array is not None:
            assert not array.flags.writeable
            array = array.base
    seen = vintages.as_of(at(10)[0])
    assert seen is not None
    assert seen.values.max() == 3


def test_holes_within_a_run_are_not_forecast() -> None:
    vintage = of([(0, 30, 1.0), (0, 120, 2.0)]).as_of(at(0)[0])
    assert vintage is not None
    assert np.array_equal(vintage.values, [1, np.nan, np.nan, 2], equal_nan=True)


def test_order_of_rows_and_identical_repeats_do_not_matter() -> None:
    shuffled = of([TWO_RUNS[i] for i in (3, 1, 0, 2, 1)])
    assert shuffled.digest == of(TWO_RUNS).digest


def test_of_two_runs_published_at_once_the_one_that_begins_later_is_newer() -> None:
    rows = [(0.0, 60, 5.0), (0.0, 90, 6.0), (0.0, 30, 1.0), (0.0, 60, 2.0)]
    vintages = of(rows, run=np.array(["b", "b", "a", "a"]))
    assert len(vintages) == 2
    vintage = vintages.as_of(at(0)[0])
    assert vintage is not None
    assert vintage.values.tolist() == [1.0, 5.0, 6.0]


def test_a_labelled_run_is_published_when_its_last_value_is() -> None:
    vintages = of([(1.0, 30, 1.0), (3.0, 60, 2.0)], run=np.array([7, 7]))
    assert vintages.newest(at(2, 3)).tolist() == [-1, 0]


def test_the_step_is_found_within_runs() -> None:
    assert of(TWO_RUNS, step_h=None).step_h == 0.5
    with pytest.raises(DataError, match="no run with two intervals"):
        of([(0, 30, 1.0), (5, 35, 2.0)], step_h=None)


@pytest.mark.parametrize(
    ("rows", "problem"),
    [
        ([(0, 30, 1.0), (0, 30, 2.0)], r"published at 2024-01-01T00:00:00Z has two values .* 1 and 2: remove"),
        ([(0, 30, 1.0), (0, 47, 2.0)], "no multiple of 30 minutes"),
        ([(0, 30, np.inf)], "beyond any price or power"),
        ([(0, 30, 1e20)], "beyond any price or power"),
        ([(0, 30, 1.0), (0, 30 * 20_000, 2.0)], "its runs span 20,000 intervals"),
    ],
)
def test_rows_that_are_refused(rows: list[tuple[float, float, float]], problem: str) -> None:
    with pytest.raises(DataError, match=problem):
        of(rows)


def test_rows_without_a_time_and_no_rows_are_refused() -> None:
    never = np.array([np.datetime64("NaT", "s")])
    common: dict[str, Any] = {"name": "p", "quantity": "price", "step_h": 0.5}
    with pytest.raises(DataError, match="no time in row 0 of published"):
        ForecastVintages.of(published=never, start=at(0), value=np.ones(1), **common)
    with pytest.raises(DataError, match="got 0, 0 and 0"):
        ForecastVintages.of(published=at(), start=at(), value=np.ones(0), **common)


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"published": at(5, 2)}, "not in order of their publication"),
        ({"published": at(5)}, "must agree"),
        ({"offset": np.array([0, 2, 5])}, "beyond its values"),
        ({"first": np.array(["NaT", "NaT"], "datetime64[s]")}, "without a time"),
    ],
)
def test_stored_arrays_that_do_not_fit_together_are_refused(change: dict[str, Any], problem: str) -> None:
    runs = Runs(at(0, 5), at(30, 60), np.array([0, 2, 4]), np.zeros(4, np.float32))._replace(**change)
    with pytest.raises(DataError, match=problem):
        ForecastVintages.of_runs(name="p", quantity="price", step_h=0.5, runs=runs)


def test_a_piece_shows_what_the_whole_shows_within_it() -> None:
    day = 1440
    vintages = of([(day * r, day * (r + k), 10.0 * r + k) for r in range(20) for k in range(3)])
    piece = vintages.between(at(8 * day)[0], at(12 * day)[0])
    assert len(piece) == 11  # two before the first one, and those of four days before these
    for minute in range(8 * day, 12 * day + 1, 600):
        seen, whole = piece.as_of(at(minute)[0]), vintages.as_of(at(minute)[0])
        assert seen is not None and whole is not None
        np.testing.assert_array_equal(seen.values, whole.values)
        assert seen.published == whole.published


def test_a_piece_before_the_first_run_has_none() -> None:
    piece = of(TWO_RUNS).between(at(0)[0], at(1)[0])
    assert len(piece) == 0
    assert piece.as_of(at(500)[0]) is None
    assert piece.digest != of(TWO_RUNS).digest
    assert len(piece.between(at(0)[0], at(1)[0])) == 0


def test_forecasts_at_other_dates_are_the_same_then() -> None:
    day = np.timedelta64(1, "D")
    moved = of(TWO_RUNS).shifted(day)
    assert moved.newest(at(2, 32) + day).tolist() == [0, 1]
    assert stored_runs(moved).first.tolist() == (at(30, 60) + day).tolist()


rows_of_runs = st.lists(
    st.tuples(st.integers(0, 50), st.integers(0, 20), st.floats(-1000, 1000, width=32)),
    min_size=1,
    max_size=60,
    unique_by=lambda row: row[:2],
)


@given(rows_of_runs, st.integers(-5, 60), st.integers(0, 20))
def test_as_of_finds_what_a_search_by_hand_finds(rows: list[tuple[int, int, float]], time: int, latency: int) -> None:
    vintages = of([(published, 30 * start, value) for published, start, value in rows])
    seen = vintages.delayed(latency / 60).as_of(at(time)[0])
    before = sorted(row for row in rows if row[0] <= time - latency)
    if not before:
        assert seen is None
        return
    first = min(start for published, start, _ in before if published == before[-1][0])
    expected = {at(30 * start)[0]: value for _, start, value in before if start >= min(first, time // 30)}
    assert seen is not None
    known = ~np.isnan(seen.values)
    assert dict(zip(seen.start[known].tolist(), seen.values[known].tolist(), strict=True)) == {
        start.item(): value for start, value in expected.items()
    }


@given(rows_of_runs, st.integers(0, 50))
def test_nothing_that_is_published_later_changes_what_is_seen(rows: list[tuple[int, int, float]], time: int) -> None:
    table = [(published, 30 * start, value) for published, start, value in rows]
    other = [row if row[0] <= time else (row[0], row[1], row[2] + 7) for row in table]
    for moment in range(0, time + 1, 5):
        seen, again = (of(choice).as_of(at(moment)[0]) for choice in (table, other))
        assert (seen is None) == (again is None)
        if seen is not None and again is not None:
            assert np.array_equal(seen.values, again.values, equal_nan=True)
