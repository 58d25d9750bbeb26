"""Planned bids: what stored energy is worth in the plan, on all that is known, and no look-ahead."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from battery_lab.common.errors import ConfigError
from battery_lab.market.forecasts.future_values import change_unknown, known_series
from battery_lab.market.market_series import MarketSeries
from battery_lab.observations.planned_bids import PlannedBids, planned_numbers
from tests.observations.histories import hourly, unscaled
from tests.observations.test_vintage_features import vintages
from tests.small_batteries_and_series import make_battery, make_series, wavy_prices

# Four hours from empty to full, without losses.
BATTERY = make_battery(soc_min=0.0, soc_max=1.0, round_trip_efficiency=1.0)


def planned(series_or_history, knots: int = 5, battery=BATTERY, **changes) -> np.ndarray:
    """Return the (T, 2, M) planned bids and offers."""
    feature = PlannedBids(
        **{"horizon_h": 24.0, "replan_minutes": 60.0, "days": 1, "forecasts": None} | changes,
        battery=battery,
        knots=knots,
    )
    history = unscaled(series_or_history) if isinstance(series_or_history, MarketSeries) else series_or_history
    return np.asarray(feature.build(history).values).reshape(-1, 2, knots)


def test_each_megawatt_hour_is_worth_the_best_hour_that_is_left_for_it() -> None:
    price = np.full(48, 20.0)
    price[3:6] = 90.0, 70.0, 50.0
    bids, offers = planned(hourly(price, price_forecast=price)).swapaxes(0, 1)
    # With 10 MW and 40 MWh, each quarter of the store serves one more hour: 90, 70, 50 and then 20.
    np.testing.assert_allclose(bids[2, :4], [90.0, 70.0, 50.0, 20.0])
    np.testing.assert_allclose(offers[2, 1:], [90.0, 70.0, 50.0, 20.0])
    # A full store has the bid, and an empty one the offer, of the knot beside it.
    assert (bids[2, 4], offers[2, 0]) == (bids[2, 3], offers[2, 1])
    # In the best hour, what is left is for the hours after it.
    np.testing.assert_allclose(bids[3, :3], [70.0, 50.0, 20.0])


def test_losses_and_wear_part_bid_and_offer() -> None:
    price = np.full(48, 20.0)
    price[3] = 100.0
    lossy = make_battery(soc_min=0.0, soc_max=1.0, round_trip_efficiency=0.81, wear_per_mwh=10.0)
    bids, offers = planned(hourly(price, price_forecast=price), battery=lossy).swapaxes(0, 1)
    # Of a MWh that is bought, 0.81 MWh are sold, each at 100 less 10 of wear.
    assert bids[2, 0] == pytest.approx(0.81 * 90.0, rel=0.02)
    assert bids[2, 0] < offers[2, 1]


def test_without_a_forecast_past_days_are_expected() -> None:
    day = np.full(24, 20.0)
    day[18] = 80.0
    bids = planned(hourly(np.tile(day, 4)))[:, 0]
    assert bids[65, 0] == pytest.approx(80.0)
    assert bids[17, 0] == pytest.approx(20.0)  # nothing is known of an evening yet


def with_vintages(**errors: float) -> MarketSeries:
    """Return six days of half hours, with forecasts of four hours that are off by some amount."""
    price = wavy_prices(6, 0, 48)
    series = make_series(price, 0.5)
    ahead = np.stack([np.roll(price, -k) for k in range(8)], axis=1)
    forecasts = {
        name: vintages(name, ahead + error * np.arange(8), series.start[0], 30, late_s=90)
        for name, error in errors.items()
    }
    return replace(series, forecasts=forecasts)


def test_vintages_are_used_and_can_be_chosen() -> None:
    series = with_vintages(good=0.0, high=20.0)
    good, high = (planned(series, forecasts=[name]) for name in ("good", "high"))
    assert high[:, 0, 0].mean() > good[:, 0, 0].mean() + 5
    with pytest.raises(ConfigError, match="PlannedBids.forecasts must name forecasts of price"):
        planned(series, forecasts=["none"])


@pytest.mark.parametrize("change", ["other", "higher"])
def test_nothing_of_the_future_moves_a_bid(change) -> None:
    series = with_vintages(half=1.0)
    before = planned(series)
    for row in (60, 133, 200):
        after = planned(change_unknown(series, row, 1, change, np.random.default_rng(row)))
        np.testing.assert_array_equal(after[: row + 1], before[: row + 1])
        assert not np.array_equal(after[row + 1 :], before[row + 1 :])


def test_a_bid_does_not_depend_on_where_the_series_ends() -> None:
    series = with_vintages(half=1.0)
    whole = planned(series)
    for rows in (100, 201):
        np.testing.assert_allclose(planned(series.rows(0, rows))[-3:], whole[rows - 3 : rows])


@pytest.mark.parametrize("lag", [0, 1])
def test_bids_of_a_coming_interval_are_those_of_the_whole_series(lag: int) -> None:
    series = with_vintages(half=1.0)
    whole = planned(unscaled(series, lag))
    for row in (100, 201):
        np.testing.assert_allclose(planned(unscaled(known_series(series, row, lag), lag))[row], whole[row])


def test_a_plan_is_not_used_beyond_its_end() -> None:
    with pytest.raises(ConfigError, match=r"PlannedBids.replan_minutes must be at most .* 2.0 hours, got 240"):
        planned(with_vintages(half=1.0), horizon_h=2.0, replan_minutes=240.0)


def test_the_price_of_the_interval_itself_is_not_used() -> None:
    price = wavy_prices(6, 0, 24)
    changed = price.copy()
    changed[100] += 500.0
    np.testing.assert_array_equal(planned(hourly(price))[:101], planned(hourly(changed))[:101])


def test_gaps_keep_the_bids_before_them() -> None:
    series = make_series(wavy_prices(4, 0, 48), 0.5)
    gap = np.zeros(len(series), bool)
    gap[100:110] = True
    bids = planned(replace(series, gap=gap))
    assert np.isfinite(bids).all()
    np.testing.assert_array_equal(bids[100:110], np.repeat(bids[99:100], 10, axis=0))


def test_curves_need_the_knots_of_the_plan() -> None:
    names = ("soc", "price", *(f"planned {side} {knot}" for side in ("bid", "offer") for knot in range(9)))
    assert planned_numbers(names, 9) == 2
    assert planned_numbers(names[:2], 7) is None
    with pytest.raises(ConfigError, match=r"algo.knots must be .*planned_bids.knots = 9, got 7"):
        planned_numbers(names, 7)
