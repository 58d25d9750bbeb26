"""Newest vintages: means over stretches, several products, revisions and ages, beside a search by hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from battery_lab.common.errors import ConfigError
from battery_lab.market.forecasts.newest_vintages import NewestVintages, Ranks, ranked_products
from tests.market.forecasts.test_forecast_vintages import at, of
from tests.small_batteries_and_series import make_series

# Every half hour, two minutes late: three values in steps of half an hour, 100 r + k for the k-th value of run r.
COARSE = of([(30 * r + 2, 30 * (r + k), 100.0 * r + k) for r in range(8) for k in range(3)])
# Every five minutes, at once: two values in steps of five minutes.
FINE = of([(5 * r, 5 * (r + k), 1000.0 + r) for r in range(48) for k in range(2)], name="p5min", step_h=1 / 12)
NAN = np.nan


def test_a_stretch_is_the_mean_of_its_intervals() -> None:
    newest = NewestVintages([[COARSE]], at(0, 2, 30, 32, 40))
    # At 0 nothing is published. At 2, run 0 has 0, 1 and 2 for the half hours from 0, 30 and 60.
    assert newest.mean(0, 5 / 60).tolist()[1:] == [0, 1, 100, 100]
    assert np.isnan(newest.mean(0, 5 / 60)[0])
    assert newest.mean(28 / 60, 58 / 60)[1] == 1  # from 30 to 60
    assert newest.mean(13 / 60, 43 / 60)[1] == pytest.approx(0.5)  # half of it before 30
    assert newest.mean(0, 1)[2] == pytest.approx(1.5)


def test_what_the_newest_run_does_not_cover_is_not_forecast() -> None:
    newest = NewestVintages([[COARSE]], at(2, 29))
    assert np.isnan(newest.mean(0, 1.5)).tolist() == [True, True]
    assert np.isnan(newest.mean(1, 61 / 60)).tolist() == [False, False]
    assert np.isnan(newest.mean(1.4, 1.45)).tolist() == [False, True]


def test_a_hole_is_not_forecast() -> None:
    holed = of([(0, 0, 1.0), (0, 60, 3.0)])
    newest = NewestVintages([[holed]], at(0))
    assert [float(newest.mean(h, h + 0.5)[0]) for h in (0, 1)] == [1, 3]
    assert np.isnan(newest.mean(0.5, 1)[0])
    assert np.isnan(newest.mean(0, 1.5)[0])


def test_the_first_product_that_covers_a_stretch_counts() -> None:
    newest = NewestVintages([[FINE], [COARSE]], at(60))
    assert newest.mean(0, 10 / 60)[0] == 1012
    assert newest.mean(10 / 60, 20 / 60)[0] == 101
    assert newest.mean(0, 5 / 60, product=1)[0] == 101
    assert newest.products == ("p5min", "predispatch")


def test_an_earlier_run_says_what_the_newest_one_changed() -> None:
    newest = NewestVintages([[FINE], [COARSE]], at(0, 20, 32))
    assert [newest.mean(0, 5 / 60, 1, earlier)[2] for earlier in (0, 1)] == [100, 1]
    # No run is before the first one, also not one of another product.
    assert np.isnan(newest.mean(0, 5 / 60, 1, earlier=1)[:2]).all()
    assert [newest.mean(0, 5 / 60, 0, earlier)[1] for earlier in (0, 1)] == [1004, 1003]


def test_age_grows_until_the_next_run() -> None:
    newest = NewestVintages([[FINE], [COARSE]], at(0, 2, 31, 32))
    np.testing.assert_allclose(newest.age_h(1) * 60, [NAN, 0, 29, 0])
    np.testing.assert_allclose(newest.age_h(0) * 60, [0, 2, 1, 2])


def test_latency_shows_earlier_runs_which_are_older() -> None:
    newest = NewestVintages([[COARSE.delayed(10 / 60)]], at(40))
    assert newest.mean(0, 1 / 60)[0] == 1
    assert newest.age_h(0)[0] == pytest.approx(38 / 60)


def names(ranks: Ranks) -> list[list[str]]:
    return [[known.name for known in rank] for rank in ranks]


def test_the_finest_products_come_first_unless_the_user_names_an_order() -> None:
    demand = of([(0, 0, 1.0)], quantity="demand_mw", name="load")
    forecasts = {"load": demand, "predispatch": COARSE, "p5min": FINE, "other": replace(COARSE, name="other")}
    series = make_series(np.zeros(5), forecasts=forecasts)
    assert names(ranked_products(series, "price", None, "forecasts")) == [["p5min"], ["other", "predispatch"]]
    chosen = ["predispatch", "p5min"]
    assert names(ranked_products(series, "price", chosen, "forecasts")) == [["predispatch"], ["p5min"]]
    assert ranked_products(series, "price", [], "forecasts") == []
    with pytest.raises(ConfigError, match=r"forecasts must name forecasts of price.*other, got 'load'"):
        ranked_products(series, "price", ["load"], "forecasts")


def test_of_two_products_of_one_step_the_one_published_last_counts_interval_by_interval() -> None:
    auction = of([(0, 60 * k, 10.0) for k in range(24)], name="auction", step_h=1.0)
    intraday = of([(m, m + 60 * (k + 1), 90.0 + m / 60) for m in (60, 180) for k in range(2)], step_h=1.0)
    newest = NewestVintages([[auction, intraday]], at(0, 60, 120, 180))
    assert newest.products == ("auction", "predispatch")
    assert [newest.mean(h, h + 1).tolist() for h in (0, 1)] == [[10, 10, 91, 91], [10, 91, 91, 93]]
    # Each product alone, and its age.
    assert newest.mean(1, 2, product=0).tolist() == [10, 10, 10, 10]
    assert newest.age_h(1)[1:].tolist() == [0, 1, 0]
    assert NewestVintages([[auction], [intraday]], at(180)).mean(1, 2)[0] == 10


# An auction at 12:45 of each day sets the 24 hours of the next one; the value is the day.
AUCTION = of([(1440 * d + 765, 1440 * (d + 1) + 60 * k, d + 1) for d in range(8) for k in range(24)], step_h=1.0)


def test_prices_of_tomorrow_do_not_hide_the_rest_of_today() -> None:
    day = 1440
    newest = NewestVintages([[AUCTION]], at(day + 720, day + 780, day + 1380))
    assert newest.mean(0, 1).tolist() == [1, 1, 1]
    assert newest.mean(0.5, 1.5).tolist() == [1, 1, 1.5]  # half an hour of it is tomorrow
    np.testing.assert_array_equal(newest.mean(12, 13), [NAN, 2, 2])
    assert newest.reach_h().tolist() == [12, 35, 25]
    # What the newest run did not change is no revision.
    assert newest.mean(0, 1, 0, earlier=1)[1:].tolist() == [1, 1]
    assert np.isnan(newest.mean(12, 13, 0, earlier=1)[1])
    vintage = AUCTION.as_of(at(day + 780)[0])
    assert vintage is not None
    assert vintage.values.tolist() == [1.0] * 11 + [2.0] * 24
    assert vintage.start[0] == at(day + 780)[0]
    assert set(vintage.value_published.tolist()) == set(at(765, day + 765).tolist())


def test_an_earlier_run_counts_for_four_days() -> None:
    def newest(days: float) -> float:
        runs = [(0, 14_400, 5.0), (1440 * days, 14_460, 6.0)]
        return float(NewestVintages([[of(runs, step_h=1.0)]], at(14_400)).mean(0, 1)[0])

    assert newest(4.0) == 5
    assert np.isnan(newest(4.01))


def test_a_hole_is_filled_by_the_run_before() -> None:
    holed = of([(0, 0, 1.0), (0, 30, 2.0), (0, 60, 3.0), (5, 0, 7.0), (5, 60, 9.0)])
    newest = NewestVintages([[holed]], at(5))
    # Counted in minutes: 25 of the first half hour, 30 of the hole, 5 of the last one.
    assert newest.mean(0, 1)[0] == pytest.approx((25 * 7 + 30 * 2 + 5 * 9) / 60)


def test_no_product_says_nothing() -> None:
    assert np.isnan(NewestVintages([], at(0, 5)).mean(0, 1)).all()


@given(st.integers(0, 2**32 - 1), st.integers(0, 200), st.integers(0, 90), st.integers(1, 70))
def test_means_are_those_of_as_of_minute_by_minute(seed: int, time: int, begin: int, length: int) -> None:
    rng = np.random.default_rng(seed)
    rows = [
        (int(p), 30 * (int(s) + k), float(rng.normal()))
        for p in range(0, 200, 17)
        for s in rng.integers(0, 9, 1)
        for k in range(int(rng.integers(1, 5)))
    ]
    vintages = of(rows)
    mean = NewestVintages([[vintages]], at(time)).mean(begin / 60, (begin + length) / 60)[0]
    seen = vintages.as_of(at(time)[0])
    assert seen is not None
    values = {
        int((start - at(0)[0]) / np.timedelta64(30, "m")): value
        for start, value in zip(seen.start, seen.values, strict=True)
    }
    minutes = [values.get(minute // 30, np.nan) for minute in range(time + begin, time + begin + length)]
    np.testing.assert_allclose(mean, np.mean(minutes), rtol=1e-5)


def test_later_runs_change_nothing() -> None:
    later = of([(30 * r + 2, 30 * (r + k), 100.0 * r + k + 7 * (r > 3)) for r in range(8) for k in range(3)])
    times = at(*range(0, 122))  # run 4 is published at 122
    for begin_h in (0.0, 0.5):
        before, after = (NewestVintages([[known]], times).mean(begin_h, begin_h + 0.5) for known in (COARSE, later))
        np.testing.assert_array_equal(before, after)


def test_a_piece_of_a_series_sees_the_same() -> None:
    series = make_series(np.zeros(40), forecasts={"p5min": FINE, "predispatch": COARSE}, start=str(at(0)[0]))
    piece = series.rows(10, 30)
    whole, cut = (NewestVintages(ranked_products(known, "price", None, ""), known.start) for known in (series, piece))
    np.testing.assert_array_equal(cut.mean(0.25, 0.5), whole.mean(0.25, 0.5)[10:30])
    np.testing.assert_array_equal(cut.mean(0, 0.25, 1, earlier=1), whole.mean(0, 0.25, 1, earlier=1)[10:30])
    np.testing.assert_array_equal(cut.age_h(0), whole.age_h(0)[10:30])
