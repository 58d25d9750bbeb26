"""Reevaluation: a stored policy acts with the actions and scales of its training, also on another market."""

from __future__ import annotations

import json
from typing import Any

import pandas as pd
import pytest

from battery_lab.common.errors import ConfigError
from battery_lab.common.run_folder import RunFolder
from battery_lab.experiment import final_evaluation
from battery_lab.experiment.experiment import Experiment
from battery_lab.experiment.reevaluate import reevaluate
from battery_lab.policies.bid_curve_network import BidCurveNetwork, CurveSpec
from battery_lab.policies.policy import Policy
from tests.compositions import option
from tests.envs.small_world import make_option
from tests.experiment.run_interruption_and_comparison import Killed
from tests.experiment.small_runs import console
from tests.small_batteries_and_series import make_series, wavy_prices

NETWORK = option("network", "mlp", ("network.hidden=[16]",))
# Value of env.actions: kind of actions, decision, and the number of the observation that bids are compared with.
RUNS = {"bids": ("continuous", "clipped_mean", None), "auto": ("discrete", "cleared", 1)}


def experiment_with(folder, actions, **changes):
    """Return an experiment of which only the parts are given that an evaluation needs."""
    missing: Any = None
    env = make_option(folder / "cache", actions=actions, **changes)
    algo: Any = "the algorithm"
    return Experiment(
        env=env, algo=algo, network=NETWORK, rollout=missing, train=missing, tracking=missing, seed=0, config={}
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with two run folders that hold untrained policies, by the value of env.actions."""
    folder = tmp_path_factory.mktemp("runs")
    for actions, (kind, decision, price_number) in RUNS.items():
        world = make_option(folder / "cache", actions=actions).open(kind)
        spec = CurveSpec(knots=4, state_numbers=1, price_number=price_number)
        Policy(
            network=BidCurveNetwork(NETWORK.encoder(world.layout), NETWORK.out_features, spec),
            decision=decision,
            actions=kind,
            layout=world.layout,
            action=world.action,
            observation_state=world.observation_state(),
            env_steps=0,
        ).save(RunFolder(folder / actions).policy)
    return folder


@pytest.mark.walk
def test_a_policy_that_bids_is_evaluated_again_with_its_bids(folder):
    to = folder / "evaluations"
    metrics = reevaluate(experiment_with(folder, "bids"), folder / "bids", to, console())
    (written,) = to.glob("*.parquet")
    frame = pd.read_parquet(written)
    assert {"bid_per_mwh", "offer_per_mwh"} <= set(frame)
    assert metrics["test/revenue_per_day"] == pytest.approx((frame.price * frame.power_mw).sum() / 12 / 4)


@pytest.mark.parametrize(
    ("run", "actions", "changes", "trained", "now"),
    [("bids", "auto", {}, 2, 1), ("auto", "bids", {}, 3, 15), ("auto", "auto", {"action_levels": 5}, 3, 5)],
)
def test_a_policy_is_not_evaluated_with_another_number_of_actions(folder, run, actions, changes, trained, now):
    message = f"trained with {trained} action outputs, and cannot be evaluated with {now}: use the options of env"
    with pytest.raises(ConfigError, match=message):
        reevaluate(experiment_with(folder, actions, **changes), folder / run, folder / "none", console())
    assert not (folder / "none").exists()


def test_a_policy_observes_another_market_with_the_scales_of_its_training(folder, monkeypatch):
    worlds = []

    def evaluate_test(world, policy, name):
        worlds.append(world)
        raise Killed

    monkeypatch.setattr(final_evaluation, "evaluate_test", evaluate_test)
    other = experiment_with(folder, "auto", series=make_series(wavy_prices(24, seed=5)))
    with pytest.raises(Killed):
        reevaluate(other, folder / "auto", folder / "again", console())
    (world,) = worlds
    assert world.digest == other.env.open("discrete").digest
    stored = json.loads((RunFolder(folder / "auto").policy / "policy.json").read_text())["observation_state"]
    assert world.observation_state() == stored != other.env.open("discrete").observation_state()
