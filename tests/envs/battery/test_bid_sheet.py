"""Bid sheets of a battery: bid and offer for one interval, from what is known before it."""

from __future__ import annotations

import math
import re

import numpy as np
import pytest

from battery_lab.common.errors import ConfigError, DataError
from battery_lab.envs.battery.bid_sheet import worth
from battery_lab.envs.bidding_interface import BiddingWorld
from tests.compositions import option
from tests.envs.small_world import make_bid_request, make_option
from tests.small_batteries_and_series import make_battery, make_series, wavy_prices

PRICES = wavy_prices(24)
SERIES = make_series(PRICES)
PRICE_NUMBER = 1  # of observation=minimal


def at(row):
    """Return the start of a row as a user writes it."""
    return f"{SERIES.local_start[row]:%Y-%m-%dT%H:%M:%S%z}"


def bidder(observation):
    """Bid and offer less the fuller the battery is, and more the higher recent prices are."""
    level = np.tanh(observation[:, 1:].sum(axis=1)) / 4 - observation[:, 0] / 8
    return np.stack([level - 0.1, level + 0.1], axis=1).astype(np.float32)


def opened(cache, series=SERIES, *, kind="continuous", state=None, **changes):
    """Return a world on a series; ``state`` holds the scales of another one."""
    return make_option(cache, series, **changes).open(kind, state)


@pytest.fixture
def world(tmp_path):
    return opened(tmp_path, actions="bids")


def test_a_battery_is_a_bidding_world(world):
    assert isinstance(world, BiddingWorld)


def test_a_sheet_has_the_bids_that_the_policy_was_evaluated_with(world):
    frame = world.evaluate(bidder, "test").frame
    for place in (0, 100, 777, len(frame) - 1):
        row = frame.iloc[place]
        wanted = make_bid_request(at=at(len(PRICES) - len(frame) + place), soc=row["soc"])
        curve = world.bid_sheet(bidder, wanted).curve.set_index("soc")
        assert curve.loc[row["soc"]].tolist() == pytest.approx(row[["bid_per_mwh", "offer_per_mwh"]].tolist(), rel=1e-6)


def test_a_curve_has_evenly_spaced_states_and_the_requested_one(world):
    curve = world.bid_sheet(bidder, make_bid_request(soc=0.6, knots=5)).curve
    np.testing.assert_allclose(curve["soc"], [0.1, 0.3, 0.5, 0.6, 0.7, 0.9])
    assert (np.diff(curve["offer_per_mwh"]) < 0).all()


@pytest.mark.parametrize("soc", [0.1, 0.3, 0.5, 0.7, 0.9])
def test_a_requested_state_that_is_a_knot_has_one_row(world, soc):
    curve = world.bid_sheet(bidder, make_bid_request(soc=soc, knots=9)).curve
    assert len(curve) == 9
    assert (curve["soc"] == soc).sum() == 1


def test_bids_that_are_not_numbers_are_refused(world):
    with pytest.raises(DataError, match="the policy's bids are not numbers, as its training diverged: train another"):
        world.bid_sheet(lambda observation: np.full((len(observation), 2), np.nan), make_bid_request())


def test_bands_hold_the_bid_and_the_offer_at_the_requested_state(world):
    sheet = world.bid_sheet(bidder, make_bid_request())
    ((_, bid, offer),) = sheet.curve[sheet.curve["soc"] == 0.5].to_numpy().tolist()
    for (_, row), price in zip(sheet.bands.iterrows(), (offer, bid), strict=True):
        filled = [row[f"PRICEBAND{k}"] for k in range(1, 11) if row[f"BANDAVAIL{k}"]]
        assert filled == [pytest.approx(price, abs=0.01)]


@pytest.mark.parametrize(
    ("soc", "load_mw", "gen_mw"),
    # 0.001 of 40 MWh is 0.04 MWh: 0.48 MW for five minutes in the store, less or more at the grid.
    [(0.1, 10, 0), (0.101, 10, 0.48 * 0.85**0.5), (0.5, 10, 10), (0.899, 0.48 / 0.85**0.5, 10), (0.9, 0, 10)],
)
def test_availability_is_what_the_store_allows_over_the_interval(world, soc, load_mw, gen_mw):
    bands = world.bid_sheet(bidder, make_bid_request(soc=soc)).bands.set_index("DIRECTION")["MAXAVAIL"]
    assert (bands["LOAD"], bands["GEN"]) == (pytest.approx(load_mw, abs=0.001), pytest.approx(gen_mw, abs=0.001))


@pytest.mark.parametrize(("soc", "sides"), [(0.1, ["bid"]), (0.5, ["bid", "offer"]), (0.9, ["offer"])])
def test_an_empty_store_says_its_worth_by_the_bid_alone_and_a_full_one_by_the_offer(world, soc, sides):
    assert sorted(re.findall("bid|offer", world.bid_sheet(bidder, make_bid_request(soc=soc)).worth)) == sides


@pytest.mark.parametrize(("actions", "lag"), [("bids", 0), ("auto", 0), ("auto", 1)])
def test_nothing_from_the_interval_on_changes_a_sheet(tmp_path, actions, lag):
    row = len(PRICES) - 500
    changed = np.where(np.arange(len(PRICES)) >= row, PRICES[::-1] + 1000, PRICES)
    options = {"actions": actions, "price_lag": lag, "observation": option("observation", "rich")}
    state, sheets = None, []
    for price in (PRICES, changed, PRICES[:row]):
        market = make_series(price, columns={"demand_mw": 5000 + 10 * price})
        again = opened(tmp_path, market, state=state, **options)
        state = again.observation_state() if state is None else state
        wanted = make_bid_request(
            at=at(row), price_number=None if actions == "bids" else again.bidding_problem(9, 2).price_number
        )
        sheets.append(again.bid_sheet(bidder, wanted))
    for sheet in sheets[1:]:
        assert (sheet.title, sheet.known, sheet.worth) == (sheets[0].title, sheets[0].known, sheets[0].worth)
        assert sheet.curve.equals(sheets[0].curve)
        assert sheet.bands.equals(sheets[0].bands)


def test_the_interval_after_the_last_price_is_the_default_and_few_days_of_prices_suffice(tmp_path, world):
    row = 200
    short = opened(tmp_path, SERIES.rows(0, row), state=world.observation_state(), actions="bids")
    default, named = short.bid_sheet(bidder, make_bid_request()), world.bid_sheet(bidder, make_bid_request(at=at(row)))
    assert default.title == named.title
    assert default.curve.equals(named.curve)


def test_a_published_forecast_is_used_as_far_as_it_was_published(tmp_path):
    row = len(PRICES) - 600

    def forecasting(after_lead):
        forecast = np.where(np.arange(len(PRICES)) > row + 288, after_lead, PRICES + 5)
        market = make_series(PRICES, columns={"price_forecast": forecast}, lead_h={"price_forecast": 24.0})
        return opened(tmp_path, market, actions="bids", observation=option("observation", "forecast"))

    curves = [forecasting(value).bid_sheet(bidder, make_bid_request(at=at(row))).curve for value in (0.0, 9000.0)]
    assert curves[0].equals(curves[1])
    with pytest.raises(DataError, match=r"the policy observes 'price_forecast \+1 h' and 23 more, and market TEST"):
        forecasting(0.0).bid_sheet(bidder, make_bid_request())


def test_curves_on_the_scale_of_the_observed_price_are_turned_into_prices(tmp_path):
    world = opened(tmp_path, kind="discrete")
    problem = world.bidding_problem(9, 2)

    def curves(observation):
        return np.tile(np.float32(problem.scaled_price[[100, 200]]), (len(observation), 1))

    curve = world.bid_sheet(curves, make_bid_request(price_number=problem.price_number)).curve
    bid, offer = PRICES[problem.rows[[100, 200]]]
    assert curve["bid_per_mwh"].to_numpy() == pytest.approx(bid, rel=1e-4)
    assert curve["offer_per_mwh"].to_numpy() == pytest.approx(offer, rel=1e-4)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"actions": "bids"}, "The last known price is {last}, of the interval from 09:55."),
        (
            {"price_lag": 0},
            "was trained with the price of the interval known.* if the last known price, {last} from 09:55",
        ),
        ({"price_lag": 1}, "trained to act as its curves clear at the last known price.*that price is {last}"),
    ],
)
def test_a_sheet_says_what_its_prices_depend_on(tmp_path, changes, words):
    world = opened(tmp_path, **changes)
    number = None if "actions" in changes else PRICE_NUMBER
    sheet = world.bid_sheet(bidder, make_bid_request(price_number=number))
    assert sheet.title == "TEST, 2024-01-25 10:00 to 10:05 (UTC+10:00), soc 0.5 (20 of 40 MWh)"
    assert sheet.unit == "EUR/MWh"
    pattern = words.format(last=f"{PRICES[-1]:,.2f} EUR/MWh")
    assert re.search(pattern, sheet.known)


def clipped(bid, offer):
    """Return an actor whose curves have one bid and one offer on the scale of the observed price."""
    return lambda observation: np.tile(np.float32([bid, offer]), (len(observation), 1))


UNKNOWN = {"price_number": PRICE_NUMBER, "floor_per_mwh": None, "cap_per_mwh": None}
NEVER_BUYS, NEVER_SELLS, BUYS_ALWAYS, SELLS_ALWAYS = -1e3, 1e3, 1e3, -1e3  # beyond what an observation is clipped to


def megawatts(sheet):
    return sheet.bands.set_index("DIRECTION").filter(like="BANDAVAIL").sum(axis=1).to_dict()


@pytest.mark.parametrize("limits", [{}, {"floor_per_mwh": -1000.0, "cap_per_mwh": 20300.0}])
@pytest.mark.parametrize(
    ("bid", "offer", "expected"),
    [
        (NEVER_BUYS, NEVER_SELLS, {"GEN": 0, "LOAD": 0}),
        (NEVER_BUYS, 0.5, {"GEN": 10, "LOAD": 0}),
        (-0.5, NEVER_SELLS, {"GEN": 0, "LOAD": 10}),
    ],
)
def test_a_side_that_never_clears_has_no_power_in_any_band(tmp_path, bid, offer, expected, limits):
    sheet = opened(tmp_path).bid_sheet(clipped(bid, offer), make_bid_request(**(UNKNOWN | limits)))
    assert megawatts(sheet) == expected


@pytest.mark.parametrize(
    ("bid", "offer", "name"), [(BUYS_ALWAYS, NEVER_SELLS, "cap"), (NEVER_BUYS, SELLS_ALWAYS, "floor")]
)
def test_a_side_that_always_clears_needs_the_limit_of_the_market(tmp_path, bid, offer, name):
    world, actor = opened(tmp_path), clipped(bid, offer)
    with pytest.raises(ConfigError, match=rf"{name} must be given, .* clears at any price, .*: add {name}="):
        world.bid_sheet(actor, make_bid_request(**UNKNOWN))
    limits = {"cap_per_mwh": 20300.0} if name == "cap" else {"floor_per_mwh": -1000.0}
    sheet = world.bid_sheet(actor, make_bid_request(**(UNKNOWN | limits)))
    assert megawatts(sheet) == ({"GEN": 0, "LOAD": 10} if name == "cap" else {"GEN": 10, "LOAD": 0})


@pytest.mark.parametrize("soc", [0.05, 0.95, -1.0, math.nan])
def test_a_state_of_charge_beyond_the_limits_is_refused(world, soc):
    with pytest.raises(
        ConfigError,
        match=r"soc must be a fraction of capacity from battery.soc_min = 0.1 to battery.soc_max = 0.9, got ",
    ):
        world.bid_sheet(bidder, make_bid_request(soc=soc))


def test_a_policy_that_requests_power_has_no_bids(tmp_path):
    world = opened(tmp_path)
    with pytest.raises(ConfigError, match=r"requests power and makes no bids: choose a run with env.actions=bids, or"):
        world.bid_sheet(bidder, make_bid_request())


def test_stored_energy_is_worth_what_bid_and_offer_leave_after_losses_and_costs():
    battery = make_battery(round_trip_efficiency=0.64, wear_per_mwh=10.0, grid_fee_per_mwh=4.0)
    # Buying 1 MWh for 36 + 4 adds 0.8 MWh to the store; selling 1 MWh for 85 - 10 takes 1.25 MWh from it.
    assert worth(battery, "AUD", 36.0, 85.0) == (
        "A stored MWh is worth 50.00 to 60.00 AUD to the policy: 50.00 is what its bid pays for one more, "
        "60.00 is what its offer takes for one, after losses, wear and grid fee."
    )


@pytest.mark.parametrize(
    ("bid", "offer", "words"),
    [
        (None, 90.0, "is worth 90.00 EUR to the policy: 90.00 is what its offer takes for one, after"),
        (40.0, None, "is worth 40.00 EUR to the policy: 40.00 is what its bid pays for one more, after"),
        (40.0, math.inf, "is worth 40.00 EUR to the policy: 40.00 is what its bid pays for one more, after"),
        (-math.inf, math.inf, "Bid and offer do not say what a stored MWh is worth, as no price clears them."),
    ],
)
def test_only_a_side_that_can_be_dispatched_says_what_energy_is_worth(bid, offer, words):
    assert words in worth(make_battery(round_trip_efficiency=1.0), "EUR", bid, offer)


def test_a_sheet_says_that_caps_may_leave_less_to_sell(tmp_path, world):
    battery = make_battery(wear_per_mwh=5.0, max_cycles_per_day=1.0, max_cycles_per_year=300.0)
    capped = opened(tmp_path, actions="bids", battery=battery).bid_sheet(bidder, make_bid_request())
    sentence = (
        "The battery sells at most 1 cycle per day, at most 300 cycles per year: the sheet offers power as if none"
    )
    assert sentence in capped.limits
    free = world.bid_sheet(bidder, make_bid_request())
    assert "cycle" not in free.limits
    assert capped.bands.equals(free.bands)
