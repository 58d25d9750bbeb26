"""Capture and lift in numbers that one can do in the head."""

from __future__ import annotations

import math
from types import SimpleNamespace

import pandas as pd
import pytest

from battery_lab.envs.base import Evaluation
from battery_lab.experiment.metrics import flat_metrics, table, with_shares

WORLD = SimpleNamespace(score="profit_per_day", optimum="best", rule="plain")


def shares(**scores):
    judged = {name: Evaluation(metrics={"profit_per_day": x}, frame=pd.DataFrame()) for name, x in scores.items()}
    return with_shares(WORLD, judged)


def test_capture_is_the_share_of_the_optimum_and_lift_what_is_won_over_the_rule():
    found = shares(policy=60.0, plain=40.0, best=80.0)
    assert found["policy"] == {"profit_per_day": 60.0, "capture": 0.75, "lift_over_rule": 0.5}
    assert found["plain"] == {"profit_per_day": 40.0, "capture": 0.5, "lift_over_rule": 0.0}


@pytest.mark.parametrize("nothing", [0.0, -40.0])
def test_there_is_no_share_of_nothing_or_of_a_loss(nothing):
    assert math.isnan(shares(policy=-10.0, plain=nothing, best=80.0)["policy"]["lift_over_rule"])
    assert math.isnan(shares(policy=-10.0, plain=-20.0, best=nothing)["policy"]["capture"])
    assert shares(policy=-20.0, plain=nothing, best=80.0)["policy"]["capture"] == -0.25


def test_the_policy_is_under_test_and_all_others_under_baseline_without_their_lift():
    assert flat_metrics(shares(ppo=60.0, plain=40.0, best=80.0), "ppo") == {
        "test/profit_per_day": 60.0,
        "test/capture": 0.75,
        "test/lift_over_rule": 0.5,
        "baseline/plain/profit_per_day": 40.0,
        "baseline/plain/capture": 0.5,
        "baseline/best/profit_per_day": 80.0,
        "baseline/best/capture": 1.0,
    }


def test_the_table_begins_with_the_best():
    assert list(table(shares(ppo=60.0, plain=40.0, best=80.0), "profit_per_day").index) == ["best", "ppo", "plain"]
