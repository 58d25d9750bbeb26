"""Capture and lift, on small numbers."""

from __future__ import annotations

import math
from types import SimpleNamespace

import pandas as pd
import pytest

from battery_lab.envs.interfaces import Evaluation
from battery_lab.experiment.policy_metrics import flat_metrics, table, with_shares

WORLD = SimpleNamespace(score="profit_per_day", optimum="best", rule="plain")


def shares(**scores):
    evaluations = {name: Evaluation(metrics={"profit_per_day": x}, frame=pd.DataFrame()) for name, x in scores.items()}
    return with_shares(WORLD, evaluations)


def test_capture_is_relative_to_the_optimum_and_lift_to_the_rule():
    result = shares(policy=60.0, plain=40.0, best=80.0)
    assert result["policy"] == {"profit_per_day": 60.0, "capture": 0.75, "lift_over_rule": 0.5}
    assert result["plain"] == {"profit_per_day": 40.0, "capture": 0.5, "lift_over_rule": 0.0}


@pytest.mark.parametrize("whole", [0.0, -40.0])
def test_shares_of_zero_or_a_loss_are_nan(whole):
    assert math.isnan(shares(policy=-10.0, plain=whole, best=80.0)["policy"]["lift_over_rule"])
    assert math.isnan(shares(policy=-10.0, plain=-20.0, best=whole)["policy"]["capture"])
    assert shares(policy=-20.0, plain=whole, best=80.0)["policy"]["capture"] == -0.25


def test_flat_metrics_have_prefixes_and_baselines_have_no_lift():
    assert flat_metrics(shares(ppo=60.0, plain=40.0, best=80.0), "ppo") == {
        "test/profit_per_day": 60.0,
        "test/capture": 0.75,
        "test/lift_over_rule": 0.5,
        "baseline/plain/profit_per_day": 40.0,
        "baseline/plain/capture": 0.5,
        "baseline/best/profit_per_day": 80.0,
        "baseline/best/capture": 1.0,
    }


def test_table_starts_with_the_best_score():
    assert list(table(shares(ppo=60.0, plain=40.0, best=80.0), "profit_per_day").index) == ["best", "ppo", "plain"]
