"""Bid sheets of the policies of runs: which algorithms bid, and what their curves are."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from battery_lab.cli.build_experiment import build_experiment
from battery_lab.common.errors import ConfigError
from battery_lab.experiment.policy_bids import policy_bids
from battery_lab.experiment.reevaluate import open_stored_policy
from tests.compositions import small
from tests.experiment.untrained_runs import save_untrained, untrained_run
from tests.inventory_env.inventory import Inventory
from tests.small_batteries_and_series import wavy_prices

NO_CYCLES = {"cycles_today": None, "cycles_this_year": None, "year_start": None}
MINIMAL = ("observation=minimal", "reward=degradation")


def sheet(experiment, run, *, at=None, soc=0.5):
    return policy_bids(experiment, run, at=at, soc=soc, floor_per_mwh=-1000.0, cap_per_mwh=20300.0, **NO_CYCLES)


def bid_and_offer(experiment, run, row):
    """Return the sheet's bid and offer for a row of an evaluation."""
    curve = sheet(experiment, run, at=row["local_start"].isoformat(), soc=row["soc"]).curve
    return curve[curve["soc"] == row["soc"]].to_numpy()[0, 1:].tolist()


@pytest.mark.parametrize(("algo", "states"), [("ppo", 9), ("sac", 9), ("dqn", 9), ("bid_curves", 3)])
def test_every_algorithm_that_bids_has_a_sheet_at_its_knots_or_at_nine_states(tmp_path, algo, states):
    experiment = untrained_run(tmp_path / "run", algo, "env.actions=bids", *MINIMAL)
    curve = sheet(experiment, tmp_path / "run", soc=0.45).curve
    assert len(curve) == states + 1
    assert (curve["bid_per_mwh"] <= curve["offer_per_mwh"]).all()


def test_bids_are_those_of_the_policy_in_the_test_period(tmp_path):
    experiment = untrained_run(tmp_path / "run", "bid_curves", "env.actions=bids", *MINIMAL)
    world, policy = open_stored_policy(experiment, tmp_path / "run")
    row = world.evaluate(policy, "test").frame.iloc[500]
    expected = row[["bid_per_mwh", "offer_per_mwh"]].tolist()
    assert bid_and_offer(experiment, tmp_path / "run", row) == pytest.approx(expected, rel=1e-5)


@pytest.fixture
def steady_prices(tmp_path):
    """A market whose price changes every second interval only, as overrides."""
    price = np.repeat(wavy_prices(12), 2)
    start = pd.date_range("2024-01-01", periods=len(price), freq="5min", tz="UTC")
    path = tmp_path / "steady.csv"
    pd.DataFrame({"timestamp": start.strftime("%Y-%m-%dT%H:%M:%SZ"), "price": price}).to_csv(path, index=False)
    return ("market=table", f"market.path={path}", "market.time_zone=Etc/GMT-10", "market.currency=EUR")


def test_curves_of_a_known_price_clear_as_the_policy_acts_where_the_price_stays_the_same(tmp_path, steady_prices):
    run = tmp_path / "run"
    experiment = untrained_run(run, "bid_curves", "env.actions=discrete", *MINIMAL, *steady_prices, seed=1)
    world, policy = open_stored_policy(experiment, run)
    frame = world.evaluate(policy, "test").frame
    second = frame[frame["price"].diff() == 0]
    directions = np.sign(second["request_mw"])
    chosen = [second[directions == direction].iloc[k] for direction in (-1, 0, 1) for k in (0, 5)]
    for row in chosen:
        bid, offer = bid_and_offer(experiment, run, row)
        assert np.sign(row["request_mw"]) == (row["price"] > offer) * 1.0 - (row["price"] < bid) * 1.0


def test_a_policy_that_requests_power_is_refused(tmp_path):
    experiment = untrained_run(tmp_path / "run", "ppo", *MINIMAL)
    with pytest.raises(
        ConfigError, match=r"requests power and makes no bids: choose a run with env.actions=bids, or with"
    ):
        sheet(experiment, tmp_path / "run")


def test_an_environment_without_bids_is_refused(tmp_path):
    (tmp_path / "demand.csv").write_text("\n".join(["3", "7"] * 100))
    env = Inventory(path=str(tmp_path / "demand.csv"), price=2.0, cost=1.0)
    experiment = replace(build_experiment(small(tmp_path / "data", "ppo")), env=env)
    save_untrained(experiment, tmp_path / "run", "ppo")
    with pytest.raises(
        ConfigError, match=r"must be a run in an environment with bids, such as env=battery: choose another"
    ):
        sheet(experiment, tmp_path / "run")
