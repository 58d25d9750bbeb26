"""Ten price bands of a bid and an offer, as AEMO takes them from a bidirectional unit."""

from __future__ import annotations

import math

import hypothesis.strategies as st
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings

from battery_lab.common.errors import ConfigError
from battery_lab.envs.battery.aemo_price_bands import band_table, check_clearing_at_any_price, check_range, span

END = pd.Timestamp("2025-06-30 17:05", tz="Australia/Melbourne")
FLOOR, CAP = -1000.0, 20300.0
PRICES = st.floats(-2000, 30_000) | st.sampled_from([-math.inf, FLOOR, CAP, math.inf])
MW = st.floats(0, 500)


def bands(curve=((), ()), **changes):
    """Return the rows GEN and LOAD of a bid of 40 and an offer of 90."""
    fields = {"bid": 40.0, "offer": 90.0, "load_mw": 10.0, "gen_mw": 10.0, "floor": FLOOR, "cap": CAP, "end": END}
    table = band_table(pd.DataFrame({"bid_per_mwh": curve[0], "offer_per_mwh": curve[1]}), **(fields | changes))
    return {str(row["DIRECTION"]): row for _, row in table.iterrows()}


def prices(row):
    return [row[f"PRICEBAND{k}"] for k in range(1, 11)]


def available(row):
    return [row[f"BANDAVAIL{k}"] for k in range(1, 11)]


def filled(row):
    """Return price and MW of the bands with MW."""
    return [(price, mw) for price, mw in zip(prices(row), available(row), strict=True) if mw]


def test_all_power_is_in_the_bands_of_bid_and_offer_and_other_bands_have_the_curves_prices():
    curve = ([70, 60, 55, 50, 45, 40, 35, 30], [120, 115, 110, 105, 100, 90, 85, 80])
    rows = bands(curve, gen_mw=2.5)
    assert prices(rows["GEN"]) == [-1000, 80, 85, 90, 100, 105, 110, 115, 120, 20300]
    assert available(rows["GEN"]) == [0, 0, 0, 2.5, 0, 0, 0, 0, 0, 0]
    assert prices(rows["LOAD"]) == [-1000, 30, 35, 40, 45, 50, 55, 60, 70, 20300]
    assert available(rows["LOAD"]) == [0, 0, 0, 10, 0, 0, 0, 0, 0, 0]


def test_columns_are_those_of_an_energy_bid_and_the_interval_is_stamped_by_its_end_in_market_time():
    row = bands()["LOAD"]
    assert list(row.index[:4]) == ["BIDTYPE", "DIRECTION", "INTERVAL_DATETIME", "MAXAVAIL"]
    assert row["BIDTYPE"] == "ENERGY"
    assert bands(end=pd.Timestamp("2025-01-01 17:05", tz="Australia/Melbourne"))["GEN"]["INTERVAL_DATETIME"] == (
        "2025/01/01 16:05:00"  # NEM time has no daylight saving
    )


@settings(max_examples=80)
@given(bid=PRICES, offer=PRICES, others=st.lists(st.tuples(PRICES, PRICES), max_size=12), load_mw=MW, gen_mw=MW)
def test_any_bid_makes_bands_that_the_market_accepts(bid, offer, others, load_mw, gen_mw):
    bid, offer = min(bid, offer), max(bid, offer)
    curve = ([float(b) for b, _ in others], [float(o) for _, o in others])
    rows = bands(curve, bid=bid, offer=offer, load_mw=load_mw, gen_mw=gen_mw)
    gen_mw, load_mw = gen_mw * (offer < math.inf), load_mw * (bid > -math.inf)
    for row, power in ((rows["GEN"], gen_mw), (rows["LOAD"], load_mw)):
        assert (np.diff(prices(row)) > 0).all()
        assert (prices(row)[0], prices(row)[-1]) == (FLOOR, CAP)
        assert all(round(price, 2) == price for price in prices(row))
        assert sum(available(row)) == row["MAXAVAIL"] == pytest.approx(power, abs=0.001)
        assert row["MAXAVAIL"] <= power + 1e-6
    if filled(rows["GEN"]) and filled(rows["LOAD"]):
        ((buy, _),), ((sell, _),) = filled(rows["LOAD"]), filled(rows["GEN"])
        assert buy < sell
        assert buy <= max(bid, FLOOR) + 1e-6
        assert sell >= min(offer, CAP) - 1e-6


def test_no_band_clears_where_the_battery_holds():
    rows = bands(bid=40.019, offer=90.001)
    assert filled(rows["LOAD"]) == [(40.01, 10)]
    assert filled(rows["GEN"]) == [(90.01, 10)]


@pytest.mark.parametrize("price", [FLOOR, 55.0, CAP])
def test_an_equal_bid_and_offer_are_a_cent_apart(price):
    rows = bands(bid=price, offer=price)
    ((buy, _),), ((sell, _),) = filled(rows["LOAD"]), filled(rows["GEN"])
    assert sell - buy == pytest.approx(0.01)


def test_prices_beyond_floor_and_cap_are_in_their_bands():
    rows = bands(bid=-2000.0, offer=30_000.0)
    assert filled(rows["LOAD"]) == [(FLOOR, 10)]
    assert filled(rows["GEN"]) == [(CAP, 10)]


def test_what_no_price_clears_has_no_power_in_any_band():
    rows = bands(bid=-math.inf, offer=math.inf)
    for row in rows.values():
        assert (row["MAXAVAIL"], filled(row)) == (0, [])
    rows = bands(bid=-math.inf)
    assert (filled(rows["LOAD"]), filled(rows["GEN"])) == ([], [(90.0, 10)])
    rows = bands(offer=math.inf)
    assert (filled(rows["LOAD"]), filled(rows["GEN"])) == ([(40.0, 10)], [])


def test_a_bid_that_never_buys_has_no_power_where_the_range_of_the_bids_replaces_the_limits():
    curve = ([30.0, -math.inf, -math.inf], [40.0, 60.0, math.inf])
    low, high = span(pd.DataFrame({"bid_per_mwh": curve[0], "offer_per_mwh": curve[1]}), None, None)
    rows = bands(curve, bid=-math.inf, offer=math.inf, floor=low, cap=high)
    assert [filled(row) for row in rows.values()] == [[], []]


def test_what_any_price_clears_is_in_the_band_of_the_limit():
    assert filled(bands(bid=math.inf, offer=math.inf)["LOAD"]) == [(CAP - 0.01, 10)]  # a cent below every offer
    assert filled(bands(bid=-math.inf, offer=-math.inf)["GEN"]) == [(FLOOR + 0.01, 10)]


@pytest.mark.parametrize(
    ("bid", "offer", "limits", "message"),
    [
        (math.inf, math.inf, (FLOOR, None), r"cap must be given, as the bid is inf per MWh, .*: add cap=\.\.\."),
        (-math.inf, -math.inf, (None, CAP), r"floor must be given, as the offer is -inf per MWh, .*: add floor=\.\.\."),
    ],
)
def test_what_any_price_clears_needs_a_limit(bid, offer, limits, message):
    with pytest.raises(ConfigError, match=message):
        check_clearing_at_any_price(bid, offer, *limits)
    check_clearing_at_any_price(bid, offer, FLOOR, CAP)
    check_clearing_at_any_price(-math.inf, math.inf, None, None)
    check_clearing_at_any_price(40.0, 90.0, None, None)


def test_a_battery_that_cannot_sell_has_no_power_in_any_band():
    row = bands(gen_mw=0.0)["GEN"]
    assert (row["MAXAVAIL"], filled(row)) == (0, [])


@pytest.mark.parametrize(
    ("floor", "cap", "message"),
    [
        (0.0, 0.5, "cap must be a price at least 1 above floor = 0, got 0.5"),
        (100.0, -100.0, "cap must be a price at least 1 above floor = 100, got -100"),
        (0.0, math.inf, "cap must be a price per MWh, got inf"),
        (-math.inf, 100.0, "floor must be a price per MWh, got -inf"),
    ],
)
def test_a_range_that_cannot_hold_ten_prices_is_refused(floor, cap, message):
    with pytest.raises(ConfigError, match=message):
        check_range(floor, cap)


@pytest.mark.parametrize(
    ("floor", "cap", "expected"),
    [
        (-1000.0, 20300.0, (-1000.0, 20300.0)),
        (None, None, (30.0, 106.0)),
        (-150.0, None, (-150.0, 106.0)),
        (None, 1000.0, (30.0, 1000.0)),
        (200.0, None, (200.0, 201.0)),  # at least 1 apart
        (None, 20.0, (19.0, 20.0)),
    ],
)
def test_the_range_of_the_bids_takes_the_place_of_limits_that_are_not_known(floor, cap, expected):
    curve = pd.DataFrame({"soc": [0.1, 0.9], "bid_per_mwh": [55.5, 30.4], "offer_per_mwh": [105.1, 80.0]})
    assert span(curve, floor, cap) == expected


def test_bids_that_never_clear_have_no_range():
    assert span(pd.DataFrame({"bid_per_mwh": [-np.inf], "offer_per_mwh": [np.inf]}), None, None) == (0.0, 1.0)
