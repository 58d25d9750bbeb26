"""Bid actions: the scale of prices, the ladder, the meaning of an action, and properties of every cleared request."""

from __future__ import annotations

import json
from dataclasses import asdict

import gymnasium as gym
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from battery_lab.common.errors import LabError
from battery_lab.envs.battery.bid_actions import BidActions, PriceScale
from tests.small_batteries_and_series import make_battery, wavy_prices

POWER = 10.0
TRAINING = wavy_prices(20)
SCALE = PriceScale.fit(TRAINING, 9)
CONTINUOUS = BidActions(kind="continuous", power_mw=POWER, scale=SCALE)
LADDER = BidActions(kind="discrete", power_mw=POWER, scale=SCALE)
UNITS = st.floats(-1.5, 1.5)
PRICES = st.floats(-1_000, 20_000)


def requested(actions, action, price):
    """Return the requests of one action at several prices."""
    price = np.atleast_1d(np.asarray(price, np.float64))
    return actions.request_mw(np.repeat(np.asarray(action)[None], len(price), axis=0), price)


def test_the_scale_puts_the_lowest_and_the_highest_training_price_at_the_ends():
    assert SCALE.to_unit(np.array([TRAINING.min(), TRAINING.max()])).tolist() == [-1.0, 1.0]
    np.testing.assert_allclose(SCALE.to_price(np.array([-1.0, 1.0])), [TRAINING.min(), TRAINING.max()])


def test_prices_beyond_the_training_prices_lie_beyond_the_ends():
    low, high = SCALE.to_unit(np.array([TRAINING.min() - 0.01, TRAINING.max() + 0.01]))
    assert low < -1 and high > 1


def test_the_scale_returns_to_the_same_price():
    price = np.concatenate([TRAINING, [-1_000.0, 0.0, 17_500.0]])
    np.testing.assert_allclose(SCALE.to_price(SCALE.to_unit(price)), price, rtol=1e-9, atol=1e-9)


def test_the_scale_rises_with_the_price():
    assert (np.diff(SCALE.to_unit(np.linspace(-1_000, 17_500, 10_001))) > 0).all()


def test_usual_prices_take_much_of_the_scale_although_spikes_are_a_hundred_times_as_high():
    low, high = SCALE.to_unit(np.quantile(TRAINING, [0.1, 0.9]))
    assert TRAINING.max() > 4_000 and high - low > 0.3


@pytest.mark.parametrize("price", [0.0, 40.0, -3.0])
def test_constant_training_prices_have_a_scale_around_them(price):
    scale = PriceScale.fit(np.full(50, price), 9)
    assert scale.low < price < scale.high
    assert scale.ladder == (price,)
    np.testing.assert_allclose(scale.to_price(scale.to_unit(np.array([price, price + 1]))), [price, price + 1])


def test_a_scale_survives_json():
    assert PriceScale.from_json(json.loads(json.dumps(asdict(SCALE)))) == SCALE


def test_the_ladder_holds_evenly_spaced_quantiles_of_the_training_prices():
    np.testing.assert_allclose(SCALE.ladder, np.quantile(TRAINING, np.linspace(0, 1, 9)))
    # Half of the prices are equal, so several quantiles are.
    assert PriceScale.fit(np.array([5.0] * 6 + [1.0, 2.0, 8.0, 9.0]), 5).ladder == (1.0, 5.0, 9.0)


def test_continuous_bids_are_two_numbers():
    assert CONTINUOUS.space == gym.spaces.Box(-1.0, 1.0, (2,), np.float32)
    meaning = CONTINUOUS.meaning
    assert meaning.names == ("bid_per_mwh", "offer_per_mwh")
    assert meaning.values == ((TRAINING.min(), TRAINING.max()),) * 2
    # What the meaning says to users that do not have the environment.
    low, high = np.arcsinh(np.array(meaning.values).T / meaning.squash)
    units = np.array([[-0.7, 0.2], [0.1, 0.1]])
    published = np.sinh(low + (units + 1) / 2 * (high - low)) * meaning.squash
    np.testing.assert_allclose(CONTINUOUS.prices(units), published)


def test_discrete_bids_are_every_pair_of_the_ladder_with_the_bid_at_or_below_the_offer():
    assert LADDER.space == gym.spaces.Discrete(45)
    meaning = LADDER.meaning
    assert (meaning.names, meaning.squash) == (("bid_per_mwh", "offer_per_mwh"), 0.0)
    pairs = set(zip(*meaning.values, strict=True))
    assert pairs == {(bid, offer) for bid in SCALE.ladder for offer in SCALE.ladder if bid <= offer}
    assert np.array_equal(LADDER.prices(np.arange(45)), np.transpose(meaning.values))


@pytest.mark.parametrize("price", [*SCALE.ladder, -500.0, 42.0, 16_000.0])
def test_a_pair_of_the_ladder_clears_at_its_own_prices(price):
    bids, offers = np.array(LADDER.meaning.values)
    request = LADDER.request_mw(np.arange(45), np.full(45, price))
    np.testing.assert_array_equal(request, np.select([price < bids, price > offers], [-POWER, POWER], 0.0))


def test_a_bid_above_the_offer_becomes_their_mean_on_the_scale():
    action, middle = np.array([0.4, -0.2]), float(SCALE.to_price(np.array(0.1)))
    np.testing.assert_allclose(CONTINUOUS.prices(action[None]), [[middle, middle]])
    assert requested(CONTINUOUS, action, [middle - 0.01, middle + 0.01]).tolist() == [-POWER, POWER]


def test_numbers_beyond_the_ends_count_as_the_ends():
    beyond, ends = np.array([-7.0, 3.0], np.float32), np.array([-1.0, 1.0], np.float32)
    np.testing.assert_array_equal(CONTINUOUS.prices(beyond[None]), CONTINUOUS.prices(ends[None]))
    prices = [TRAINING.min(), 50.0, TRAINING.max(), TRAINING.min() - 1, TRAINING.max() + 1]
    assert requested(CONTINUOUS, beyond, prices).tolist() == [0, 0, 0, -POWER, POWER]
    # Clipped before they are compared: the mean of -1 and 1 is the middle of the scale.
    crossed = CONTINUOUS.prices(np.array([[9.0, -1.0]]))
    np.testing.assert_allclose(crossed, np.full((1, 2), SCALE.to_price(np.array(0.0))))


@pytest.mark.parametrize(
    ("actions", "some"), [(CONTINUOUS, np.array([[-0.5, 0.5], [0.3, 0.1]])), (LADDER, np.array([3, 44]))]
)
def test_columns_are_the_bid_and_the_offer_of_each_action(actions, some):
    columns = actions.columns(some)
    assert list(columns) == ["bid_per_mwh", "offer_per_mwh"]
    np.testing.assert_array_equal(np.stack(list(columns.values()), axis=1), actions.prices(some))
    assert (columns["bid_per_mwh"] <= columns["offer_per_mwh"]).all()


@given(st.tuples(UNITS, UNITS), st.integers(0, 44), st.lists(PRICES, min_size=2, max_size=20))
def test_requests_rise_with_the_price(units, pair, prices):
    for request in (
        requested(CONTINUOUS, units, np.sort(prices)),
        requested(LADDER, pair, np.sort(prices)),
    ):
        assert (np.diff(request) >= 0).all()
        assert set(request) <= {-POWER, 0.0, POWER}


@given(st.tuples(UNITS, UNITS), PRICES)
def test_a_battery_buys_only_below_its_bid_and_sells_only_above_its_offer(units, price):
    (request,), ((bid, offer),) = requested(CONTINUOUS, units, price), CONTINUOUS.prices(np.array([units]))
    tolerance = 1e-9 * max(abs(price), 1.0)
    assert bid <= offer
    assert request >= 0 or price < bid + tolerance
    assert request <= 0 or price > offer - tolerance
    assert request != 0 or bid - tolerance <= price <= offer + tolerance


@given(
    st.tuples(UNITS, UNITS),
    st.lists(PRICES, min_size=1, max_size=10),
    st.floats(0.1, 0.9),
    st.sampled_from([0.0, 0.3]),
    st.sampled_from([1 / 12, 1.0]),
)
def test_energy_balances_whatever_clears(units, prices, soc, self_discharge, hours):
    battery = make_battery(soc_start=soc, self_discharge_per_day=self_discharge)
    request = requested(CONTINUOUS, units, prices)
    energy = np.array([battery.energy_start_mwh])
    for mw in request:
        power, after = battery.step(energy, np.array([mw]), hours)
        kept = energy * (1 - self_discharge) ** (hours / 24)
        bought, sold = max(-power[0], 0) * hours, max(power[0], 0) * hours
        assert after[0] == pytest.approx(
            kept[0] + bought * battery.charge_efficiency - sold / battery.discharge_efficiency, abs=1e-9
        )
        assert min(kept[0], battery.energy_min_mwh) <= after[0] <= battery.energy_max_mwh
        assert power[0] * mw >= 0 and abs(power[0]) <= abs(mw)
        energy = after


@pytest.mark.parametrize("action", [[np.nan, 0.5], [0.5, np.nan], [np.nan, np.nan]])
def test_bids_that_are_not_numbers_are_the_error_of_a_diverged_training(action):
    with pytest.raises(LabError, match="the training diverged, as the policy's bids are not finite: start again with"):
        requested(CONTINUOUS, action, [50.0])
