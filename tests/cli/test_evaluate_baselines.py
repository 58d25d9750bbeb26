"""`battery-lab evaluate baseline=`: baselines on a period or on days by date, without a run."""

from __future__ import annotations

import json

import pandas as pd
import pytest

from tests.compositions import SMALL, write_market


@pytest.fixture
def market(tmp_path):
    """The options of a small market."""
    return [choice for choice in write_market(tmp_path / "data") if not choice.startswith("outputs=")]


def test_baselines_are_evaluated_without_training(lab, tmp_path, market):
    output = lab("evaluate", "baseline=receding_horizon", *market, *SMALL[3:])
    assert (output.status, output.err) == (0, "")
    assert "Policies in the test period (price known)" in output.out
    (folder,) = tmp_path.glob("outputs/evaluations/*_baselines")
    metrics = json.loads((folder / "metrics.json").read_text())
    assert metrics["baseline/perfect_foresight/capture"] == 1.0
    assert metrics["baseline/receding_horizon/capture"] < 1.0
    frame = pd.read_parquet(folder / "receding_horizon" / "dispatch.parquet")
    assert metrics["baseline/receding_horizon/profit_per_day"] == pytest.approx(frame["profit"].sum() / 4)
    assert not list(tmp_path.glob("outputs/runs/*"))


def test_days_by_date_need_no_split(lab, tmp_path, market):
    output = lab("evaluate", "baseline=rule,receding_horizon", "period=2024-01-05/2024-01-06", *market)
    assert (output.status, output.err) == (0, "")
    assert "Policies from 2024-01-05 to 2024-01-06" in output.out
    (choices,) = tmp_path.glob("outputs/evaluations/*/choices.json")
    assert json.loads(choices.read_text())["period"] == "2024-01-05/2024-01-06"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["baseline=rul"], "baseline=rul is not in env.baselines, which has random, rule,"),
        (["baseline=rule", "period=may"], "period must be test, validation or 2025-01-01/2025-01-31"),
        (["baseline=rule", "run=x"], "evaluate takes either run=<folder> or baseline=<names>"),
        (["period=test", "run=x"], "period=test goes with baseline=: a policy is evaluated on the test period"),
        (["baselin=rule"], "baselin is not an argument of battery-lab evaluate; did you mean baseline?"),
        (["baseline=rule", "battery.power_mw=-1"], "battery.power_mw must be greater than 0"),
    ],
)
def test_a_wrong_argument_ends_in_one_message(lab, market, arguments, message):
    output = lab("evaluate", *arguments, *(market if arguments[0].startswith("baseline") else []))
    assert output.status == 1 and output.err.startswith("error: ") and message in output.err
