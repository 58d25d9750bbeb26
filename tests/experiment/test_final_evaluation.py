"""Final evaluation: one recorded look at the test period, and the files that it leaves."""

from __future__ import annotations

import json
import os
from types import SimpleNamespace

import pandas as pd
import pytest

from battery_lab.envs.interfaces import Evaluation
from battery_lab.experiment import final_evaluation


def evaluation(profit):
    return Evaluation(metrics={"profit_per_day": profit}, frame=pd.DataFrame({"profit": [profit]}))


def write(folder, **metrics):
    final_evaluation.write_results(folder, metrics, evaluation(1.0), "ppo")


def test_nan_is_null_so_that_the_file_is_valid_json(tmp_path):
    write(tmp_path, lift=float("nan"), capture=0.5)
    text = (tmp_path / "metrics.json").read_text()
    assert json.loads(text) == {"capture": 0.5, "lift": None}
    assert "NaN" not in text


def test_interrupted_write_keeps_the_previous_metrics(tmp_path, monkeypatch):
    write(tmp_path, capture=0.5)

    def killed(*paths):
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "replace", killed)
    with pytest.raises(KeyboardInterrupt):
        write(tmp_path, capture=0.9)
    assert json.loads((tmp_path / "metrics.json").read_text()) == {"capture": 0.5}


def test_uses_of_the_test_period_accumulate(tmp_path):
    world = SimpleNamespace(summary=lambda: {"Market": "TEST"})
    for name in ("ppo", "sac"):
        final_evaluation.record_test_look(tmp_path, name, world)
    looks = [json.loads(line) for line in (tmp_path / "test_looks.jsonl").read_text().splitlines()]
    assert [look["policy"] for look in looks] == ["ppo", "sac"]
    assert looks[0]["world"] == {"Market": "TEST"}


def test_policy_and_baselines_are_evaluated_on_test_time():
    best = {"test": 10.0, "validation": 99.0}
    world = SimpleNamespace(
        score="profit_per_day",
        optimum="best",
        rule="best",
        evaluate=lambda policy, period: evaluation({"test": 4.0, "validation": 50.0}[period]),
        baselines=lambda period: {"best": evaluation(best[period])},
    )
    metrics, _, table = final_evaluation.evaluate_test(world, "policy", "ppo")
    assert (metrics["test/profit_per_day"], metrics["test/capture"]) == (4.0, 0.4)
    assert list(table.index) == ["best", "ppo"]
    assert "test/known" not in metrics
    world.known, world.known_code = "bids", 2
    assert final_evaluation.evaluate_test(world, "policy", "ppo")[0]["test/known"] == 2.0


def test_metrics_hold_the_counts_of_what_is_missing_in_the_data():
    counts = {"test/filled_intervals": 3.0, "test/gap_intervals": 0.0}
    world = SimpleNamespace(
        score="profit_per_day",
        optimum="best",
        rule="best",
        evaluate=lambda policy, period: evaluation(4.0),
        baselines=lambda period: {"best": evaluation(10.0)},
        data_counts=lambda: counts,
        data_notes=lambda: [],
    )
    metrics, _, _ = final_evaluation.evaluate_test(world, None, "ppo")
    assert metrics.items() >= counts.items()
