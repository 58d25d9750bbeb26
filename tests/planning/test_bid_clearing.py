"""Bid clearing: the rule at every price, and properties that hold for all bids and prices."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from battery_lab.planning.bid_clearing import clear
from tests.small_batteries_and_series import make_battery

PRICES = st.floats(-1_000, 20_000)
POWER = 10.0


def cleared(bid, offer, price):
    return clear(*(np.atleast_1d(np.asarray(x, np.float64)) for x in (bid, offer, price)), POWER)


def test_it_buys_below_the_bid_sells_above_the_offer_and_holds_in_between():
    price = np.array([-5.0, 29.99, 30.0, 45.0, 60.0, 60.01, 17_500.0])
    assert list(cleared(np.full(7, 30.0), np.full(7, 60.0), price)) == [-POWER, -POWER, 0, 0, 0, POWER, POWER]


def test_an_infinite_bid_or_offer_always_or_never_clears():
    assert list(cleared([-np.inf, np.inf, -np.inf], [np.inf, np.inf, -np.inf], [50.0] * 3)) == [0, -POWER, POWER]


def test_a_bid_above_the_offer_is_replaced_by_their_mean():
    assert list(cleared([80.0] * 3, [40.0] * 3, [59.0, 60.0, 61.0])) == [-POWER, 0, POWER]


@given(PRICES, PRICES, st.lists(PRICES, min_size=2, max_size=20))
def test_requests_rise_with_the_price(bid, offer, prices):
    price = np.sort(prices)
    request = cleared(np.full(len(price), bid), np.full(len(price), offer), price)
    assert (np.diff(request) >= 0).all()
    assert set(request) <= {-POWER, 0.0, POWER}


@given(PRICES, PRICES, PRICES, st.floats(0.1, 0.9))
def test_what_is_delivered_is_what_was_cleared_within_the_limits(bid, offer, price, soc):
    battery = make_battery()
    energy = np.array([soc * battery.capacity_mwh])
    power, after = battery.step(energy, cleared(bid, offer, price), 1 / 12)
    low, high = min(bid, offer, (bid + offer) / 2), max(bid, offer, (bid + offer) / 2)
    if price < low:
        room = (battery.energy_max_mwh - energy[0]) / battery.charge_efficiency
        assert power[0] / 12 == pytest.approx(-min(POWER / 12, room))
    elif price > high:
        room = (energy[0] - battery.energy_min_mwh) * battery.discharge_efficiency
        assert power[0] / 12 == pytest.approx(min(POWER / 12, room))
    elif bid <= offer:
        assert power[0] == 0 and after[0] == energy[0]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (([np.nan], [5.0], [1.0]), "must be numbers"),
        (([1.0], [5.0], [np.nan]), "must be numbers"),
        (([np.inf], [-np.inf], [1.0]), "no bid inf with an offer of -inf"),
        (([1.0, 2.0], [5.0], [1.0]), r"\(N,\) arrays"),
        (([[1.0]], [[5.0]], [[1.0]]), r"\(N,\) arrays"),
    ],
)
def test_bad_bids_are_refused(values, message):
    with pytest.raises(ValueError, match=message):
        cleared(*values)
