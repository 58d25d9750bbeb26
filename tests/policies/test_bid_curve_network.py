"""Bid curve policies: interpolation between knots, crossed curves, and actions from a known price."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from battery_lab.common.errors import ConfigError, DataError
from battery_lab.envs.interfaces import ActionMeaning
from battery_lab.envs.layout import Layout
from battery_lab.policies.bid_curve_network import BidCurveNetwork, CurveSpec, cleared_direction
from battery_lab.policies.policy import Policy, load
from battery_lab.policies.policy_spec import SPEC

LAYOUT = Layout(names=("soc", "limits", "price", "demand"), window_first=4, window_size=0)
PRICE = 2
BIDS, OFFERS = np.array([0.5, -0.1, -0.4]), np.array([0.7, 0.3, -0.2])


def curves(bids=BIDS, offers=OFFERS, price=PRICE):
    """Return a network whose curves depend on no feature."""
    network = BidCurveNetwork(nn.Identity(), LAYOUT.size, CurveSpec(knots=3, state_numbers=2, price_number=price))
    with torch.no_grad():
        network.head.weight.zero_()
        network.head.bias.copy_(torch.tensor(np.concatenate([bids, offers])))
    return network.eval()


def curve_policy(network, actions="discrete", levels=3):
    power = tuple(np.linspace(-10.0, 10.0, levels)) if actions == "discrete" else (-10.0, 10.0)
    return Policy(
        network=network,
        decision="clipped_mean" if network.spec.price_number is None else "cleared",
        actions=actions,
        layout=LAYOUT,
        action=ActionMeaning(names=("request_mw",), values=(power,)),
        observation_state={},
        env_steps=0,
    )


def seen(rows=500):
    observation = np.random.default_rng(0).uniform(-1.2, 1.2, (rows, LAYOUT.size)).astype(np.float32)
    observation[:3, 0] = (-1.0, 0.0, 1.0)
    return observation


def interpolated(observation, bids=BIDS, offers=OFFERS):
    """Return bids and offers at the states of charge, computed by numpy."""
    knots = np.linspace(-1, 1, len(bids))
    return np.stack([np.interp(observation[:, 0], knots, curve) for curve in (bids, offers)], axis=1)


def test_bid_and_offer_are_linear_between_knots_and_flat_beyond_them():
    pair = curves()(torch.from_numpy(seen())).detach().numpy()
    np.testing.assert_allclose(pair, interpolated(seen()), atol=1e-6)
    np.testing.assert_allclose(pair[:3], np.stack([BIDS, OFFERS], axis=1), atol=1e-6)


def test_crossed_bid_and_offer_become_their_mean():
    high = np.array([0.9, 0.1, -0.4])
    pair = curves(bids=high)(torch.from_numpy(seen())).detach().numpy()
    expected = interpolated(seen(), bids=high)
    crossed = expected[:, 0] > expected[:, 1]
    assert 0 < crossed.sum() < len(crossed)
    expected[crossed] = expected[crossed].mean(axis=1, keepdims=True)
    np.testing.assert_allclose(pair, expected, atol=1e-6)


def test_curves_depend_on_the_market_and_not_on_the_state_of_charge():
    torch.manual_seed(0)
    network = BidCurveNetwork(nn.Linear(4, 5), 5, CurveSpec(knots=3, state_numbers=2, price_number=None))
    first, other_state, other_market = seen(), seen(), seen()
    other_state[:, :2] += 0.3
    other_market[:, 3] += 0.3
    curves = [network.curves(torch.from_numpy(x)) for x in (first, other_state, other_market)]
    assert torch.equal(curves[0], curves[1])
    assert not torch.isclose(curves[0], curves[2]).any()


@pytest.mark.parametrize("levels", [3, 5])
def test_a_known_price_below_the_bid_charges_and_one_above_the_offer_discharges(levels):
    (bid, offer), price = interpolated(seen()).T, seen()[:, PRICE]
    expected = np.where(price < bid, 0, np.where(price > offer, levels - 1, levels // 2))
    assert set(expected) == {0, levels // 2, levels - 1}
    np.testing.assert_array_equal(curve_policy(curves(), levels=levels)(seen()), expected)
    power = curve_policy(curves(), "continuous")(seen())
    np.testing.assert_array_equal(power, (expected / (levels // 2) - 1)[:, None])


def test_a_price_at_the_bid_or_at_the_offer_holds():
    pair, price = torch.tensor([[1.0, 2.0]] * 4), torch.tensor([1.0, 2.0, 0.999, 2.001])
    assert cleared_direction(pair, price).tolist() == [0, 0, -1, 1]


def test_bids_that_are_actions_are_clipped_to_the_scale():
    wide = curve_policy(curves(bids=BIDS - 1, offers=OFFERS + 1, price=None), "continuous")
    expected = np.clip(interpolated(seen(), BIDS - 1, OFFERS + 1), -1, 1)
    np.testing.assert_allclose(wide(seen()), expected, atol=1e-6)
    with pytest.raises(ValueError, match="no observed price clears"):
        wide.network.observed_price(torch.from_numpy(seen()))


@pytest.mark.parametrize(("actions", "price"), [("discrete", PRICE), ("continuous", PRICE), ("continuous", None)])
def test_a_stored_bid_curve_policy_acts_the_same(tmp_path, actions, price):
    policy = curve_policy(curves(price=price), actions)
    policy.save(tmp_path)
    loaded = load(tmp_path, nn.Identity(), LAYOUT.size, layout=policy.layout, action=policy.action)
    assert loaded.network.spec == policy.network.spec
    np.testing.assert_array_equal(loaded(seen()), policy(seen()))


@pytest.mark.parametrize("damaged", [None, 3, {}, {"knots": 3}, {"knots": "3", "state_numbers": 2, "price_number": 2}])
def test_a_policy_with_a_damaged_description_of_its_curves_is_rejected(tmp_path, damaged):
    policy = curve_policy(curves())
    policy.save(tmp_path)
    spec = json.loads((tmp_path / SPEC).read_text())
    (tmp_path / SPEC).write_text(json.dumps({**spec, "curves": damaged}))
    with pytest.raises(DataError, match=f"{SPEC} does not define its curves"):
        load(tmp_path, nn.Identity(), LAYOUT.size, layout=policy.layout, action=policy.action)


def test_a_policy_is_cleared_exactly_if_its_network_compares_bids_with_an_observed_price():
    for network, decision in ((curves(), "clipped_mean"), (curves(price=None), "cleared")):
        with pytest.raises(ConfigError, match=r"policy\.decision must be cleared exactly if .* got"):
            replace(curve_policy(network), decision=decision)


@pytest.mark.parametrize("actions", ["discrete", "continuous"])
def test_a_policy_that_clears_curves_offers_the_prices_of_its_curves(actions):
    policy = curve_policy(curves(), actions)
    assert (policy.knots, policy.price_number) == (3, PRICE)
    np.testing.assert_allclose(policy.bids(seen()), interpolated(seen()), atol=1e-6)


def test_a_policy_whose_actions_are_bids_offers_its_actions():
    policy = curve_policy(curves(bids=BIDS * 3, price=None), "continuous")
    assert (policy.knots, policy.price_number) == (3, None)
    np.testing.assert_array_equal(policy.bids(seen()), policy(seen()))
