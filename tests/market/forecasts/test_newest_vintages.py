"""Newest vintages: means over stretches, several products, revisions and ages, beside a search by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from battery_lab.common.errors import ConfigError
from battery_lab.market.forecasts.newest_vintages import NewestVintages, price_products
from tests.market.forecasts.test_forecast_vintages import at, of
from tests.small_batteries_and_series import make_series

# Every half hour, two minutes late: three values in steps of half an hour, 100 r + k for the k-th value of run r.
COARSE = of([(30 * r + 2, 30 * (r + k), 100.0 * r + k) for r in range(8) for k in range(3)])
# Every five minutes, at once: two values in steps of five minutes.
FINE = of([(5 * r, 5 * (r + k), 1000.0 + r) for r in range(48) for k in range(2)], name="p5min", step_h=1 / 12)
NAN = np.nan


def test_a_stretch_is_the_mean_of_its_intervals() -> None:
    newest = NewestVintages([COARSE], at(0, 2, 30, 32, 40))
    # At 0 nothing is published. At 2, run 0 has 0, 1 and 2 for the half hours from 0, 30 and 60.
    assert newest.mean(0, 5 / 60).tolist()[1:] == [0, 1, 100, 100]
    assert np.isnan(newest.mean(0, 5 / 60)[0])
    assert newest.mean(28 / 60, 58 / 60)[1] == 1  # from 30 to 60
    assert newest.mean(13 / 60, 43 / 60)[1] == pytest.approx(0.5)  # half of it before 30
    assert newest.mean(0, 1)[2] == pytest.approx(1.5)


def test_what_the_newest_run_does_not_cover_is_not_forecast() -> None:
    newest = NewestVintages([COARSE], at(2, 29))
    assert np.isnan(newest.mean(0, 1.5)).tolist() == [True, True]
    assert np.isnan(newest.mean(1, 61 / 60)).tolist() == [False, False]
    assert np.isnan(newest.mean(1.4, 1.45)).tolist() == [False, True]


def test_a_hole_is_not_forecast() -> None:
    holed = of([(0, 0, 1.0), (0, 60, 3.0)])
    newest = NewestVintages([holed], at(0))
    assert [float(newest.mean(h, h + 0.5)[0]) for h in (0, 1)] == [1, 3]
    assert np.isnan(newest.mean(0.5, 1)[0])
    assert np.isnan(newest.mean(0, 1.5)[0])


def test_the_first_product_that_covers_a_stretch_counts() -> None:
    newest = NewestVintages([FINE, COARSE], at(60))
    assert newest.mean(0, 10 / 60)[0] == 1012
    assert newest.mean(10 / 60, 20 / 60)[0] == 101
    assert newest.mean(0, 5 / 60, product=1)[0] == 101
    assert newest.products == ("p5min", "predispatch")


def test_an_earlier_run_says_what_the_newest_one_changed() -> None:
    newest = NewestVintages([FINE, COARSE], at(0, 20, 32))
    assert [newest.mean(0, 5 / 60, 1, earlier)[2] for earlier in (0, 1)] == [100, 1]
    # No run is before the first one, also not one of another product.
    assert np.isnan(newest.mean(0, 5 / 60, 1, earlier=1)[:2]).all()
    assert [newest.mean(0, 5 / 60, 0, earlier)[1] for earlier in (0, 1)] == [1004, 1003]


def test_age_grows_until_the_next_run() -> None:
    newest = NewestVintages([FINE, COARSE], at(0, 2, 31, 32))
    np.testing.assert_allclose(newest.age_h(1) * 60, [NAN, 0, 29, 0])
    np.testing.assert_allclose(newest.age_h(0) * 60, [0, 2, 1, 2])


def test_latency_shows_earlier_runs() -> None:
    assert NewestVintages([COARSE], at(40), latency_h=10 / 60).mean(0, 1 / 60)[0] == 1


def test_the_finest_products_of_the_price_come_first() -> None:
    demand = of([(0, 0, 1.0)], quantity="demand_mw", name="load")
    series = make_series(np.zeros(5), forecasts={"load": demand, "predispatch": COARSE, "p5min": FINE})
    assert [known.name for known in price_products(series, None, "forecasts")] == ["p5min", "predispatch"]
    assert [known.name for known in price_products(series, ["predispatch"], "forecasts")] == ["predispatch"]
    assert price_products(series, [], "forecasts") == []
    with pytest.raises(ConfigError, match=r"forecasts must name forecasts of price.*predispatch, p5min, got 'load'"):
        price_products(series, ["load"], "forecasts")


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
    mean = NewestVintages([vintages], at(time)).mean(begin / 60, (begin + length) / 60)[0]
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
        before, after = (NewestVintages([known], times).mean(begin_h, begin_h + 0.5) for known in (COARSE, later))
        np.testing.assert_array_equal(before, after)


def test_a_piece_of_a_series_sees_the_same() -> None:
    series = make_series(np.zeros(40), forecasts={"p5min": FINE, "predispatch": COARSE}, start=str(at(0)[0]))
    piece = series.rows(10, 30)
    whole, cut = (NewestVintages(price_products(known, None, ""), known.start) for known in (series, piece))
    np.testing.assert_array_equal(cut.mean(0.25, 0.5), whole.mean(0.25, 0.5)[10:30])
    np.testing.assert_array_equal(cut.mean(0, 0.25, 1, earlier=1), whole.mean(0, 0.25, 1, earlier=1)[10:30])
    np.testing.assert_array_equal(cut.age_h(0), whole.age_h(0)[10:30])
