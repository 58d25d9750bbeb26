"""Predictions of policies that bid: bid and offer in money, never crossed, here and over HTTP."""

from __future__ import annotations

import json

import numpy as np
import pytest

from battery_lab.common.errors import DataError
from battery_lab.envs.battery.bid_actions import BidActions, PriceScale
from battery_lab.serving.artifact import ABOUT, Artifact
from tests.serving.exported_policies import MEANING, exported, seen
from tests.serving.served_policy import served

NAMES = ("bid_per_mwh", "offer_per_mwh")
LOW, HIGH = MEANING["bids"].values[0]
ENVIRONMENT = BidActions(
    kind="continuous",
    power_mw=10.0,
    scale=PriceScale(squash=MEANING["bids"].squash, low=LOW, high=HIGH, ladder=(LOW, HIGH)),
)


def prices(predictions):
    return np.array([[prediction[name] for name in NAMES] for prediction in predictions])


def change_about(folder, **changed):
    about = json.loads((folder / ABOUT).read_text()) | changed
    (folder / ABOUT).write_text(json.dumps({key: value for key, value in about.items() if value is not None}))
    return Artifact(folder)


def test_the_environment_and_the_description_agree_on_the_meaning_of_bids():
    assert ENVIRONMENT.meaning == MEANING["bids"]


@pytest.mark.parametrize(("kind", "name"), [("bid_curves", "mlp"), ("clipped_bids", "window_conv")])
def test_a_prediction_holds_bid_and_offer_as_the_environment_reads_them(tmp_path, kind, name):
    trained, artifact = exported(tmp_path, kind, name)
    predictions, action = artifact.predictions(seen(300)), trained(seen(300))
    np.testing.assert_allclose([prediction["action"] for prediction in predictions], action, atol=1e-5)
    np.testing.assert_allclose(prices(predictions), ENVIRONMENT.prices(action), rtol=1e-3)
    assert (np.diff(prices(predictions), axis=1) >= 0).all()
    assert ((prices(predictions) >= LOW - 1e-6) & (prices(predictions) <= HIGH + 1e-6)).all()


def test_crossed_bid_and_offer_become_their_mean_on_the_scale(tmp_path):
    _, artifact = exported(tmp_path, "clipped_bids", "window_conv")
    action = artifact(seen(300))
    crossed = action[:, 0] > action[:, 1]
    assert 0 < crossed.sum() < 300
    pairs = prices(artifact.predictions(seen(300)))
    assert (pairs[crossed, 0] == pairs[crossed, 1]).all()
    low, high = np.arcsinh(np.array([LOW, HIGH]) / 60)
    mean = np.sinh(low + (action[crossed].mean(axis=1) + 1) / 2 * (high - low)) * 60
    np.testing.assert_allclose(pairs[crossed, 0], mean, rtol=1e-4)
    assert (pairs[~crossed, 0] < pairs[~crossed, 1]).all()


def test_a_description_from_before_bids_orders_no_quantities(tmp_path):
    exported(tmp_path, "clipped_bids", "window_conv")
    artifact = change_about(tmp_path / "model", is_increasing=None)
    assert (np.diff(prices(artifact.predictions(seen(300))), axis=1) < 0).any()
    with pytest.raises(DataError, match="is_increasing must be true or false, got 'yes'"):
        change_about(tmp_path / "model", is_increasing="yes")


def test_a_discrete_action_requests_its_pair_of_prices(tmp_path):
    exported(tmp_path)
    pairs = np.array([[20.0, 20.0], [20.0, 90.0], [90.0, 90.0]])
    artifact = change_about(tmp_path / "model", asks_for=NAMES, values=pairs.T.tolist(), squash=0.0, is_increasing=True)
    predictions = artifact.predictions(seen(200))
    chosen = [prediction["action"] for prediction in predictions]
    assert set(chosen) == {0, 1, 2}
    np.testing.assert_array_equal(prices(predictions), pairs[chosen])


def test_a_server_responds_with_bid_and_offer(tmp_path):
    _, artifact = exported(tmp_path, "bid_curves")
    with served(artifact) as client:
        status, response = client.ask(body={"instances": seen(5).tolist()})
        _, about = client.ask("/model")
    assert (status, response["predictions"]) == (200, artifact.predictions(seen(5)))
    assert list(response["predictions"][0]) == ["action", *NAMES]
    assert (about["asks_for"], about["squash"], about["is_increasing"]) == (list(NAMES), 60.0, True)
