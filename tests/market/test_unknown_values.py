"""Unknown values: what is known at a moment, and series that differ everywhere else."""

from __future__ import annotations

import numpy as np
import pytest

from battery_lab.market.unknown_values import change_unknown, known_end
from tests.small_batteries_and_series import make_series, wavy_prices

NOW = 300


@pytest.fixture(scope="module")
def series():
    price = wavy_prices(3)
    columns = {"price_forecast": price + 5, "demand_mw": 5000 + price, "flat": np.zeros(len(price))}
    return make_series(price, columns=columns, lead_h={"price_forecast": 24.0})


@pytest.mark.parametrize("column", ["price", "demand_mw"])
def test_measured_values_are_known_up_to_the_interval_or_the_one_before_it(series, column):
    assert [known_end(series, column, NOW, lag) for lag in (0, 1)] == [NOW + 1, NOW]


@pytest.mark.parametrize(("lead_h", "ahead"), [(24.0, 288), (0.0, 0), (1 / 12, 1), (0.0834, 1), (0.08, 0), (0.13, 1)])
@pytest.mark.parametrize("lag", [0, 1])
def test_published_values_are_known_as_far_ahead_as_whole_intervals_fit_into_their_lead(lead_h, ahead, lag):
    series = make_series(wavy_prices(3), lead_h={"price_forecast": lead_h})
    assert known_end(series, "price_forecast", NOW, lag) == NOW + ahead + 1


@pytest.mark.parametrize("change", ["other", "higher", "lower"])
@pytest.mark.parametrize("lag", [0, 1])
def test_every_unknown_value_differs_and_no_known_one_does(series, change, lag):
    changed = change_unknown(series, NOW, lag, change, np.random.default_rng(0))
    for column in ("price", *series.columns):
        before, after = (s.price if column == "price" else s.columns[column] for s in (series, changed))
        end = known_end(series, column, NOW, lag)
        np.testing.assert_array_equal(after[:end], before[:end])
        assert (after[end:] != before[end:]).all()
        assert len(after) == len(before)
        if change == "higher":
            assert after[end:].min() > before.max()
        if change == "lower":
            assert after[end:].max() < before.min()


def test_nothing_changes_where_everything_is_known(series):
    changed = change_unknown(series, len(series) - 1, 0, "other", np.random.default_rng(0))
    np.testing.assert_array_equal(changed.price, series.price)
