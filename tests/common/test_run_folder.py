"""Run folder: names of files, and how results are written."""

import json

import pandas as pd
import pytest

from battery_lab.common.run_folder import RunFolder


@pytest.fixture
def run(tmp_path):
    return RunFolder(tmp_path)


def test_files_that_scripts_rely_on_keep_their_names(run):
    paths = (run.metrics, run.dispatch, run.report, run.policy, run.model, run.checkpoints, run.trial, run.test_looks)
    names = "metrics.json dispatch.parquet report.html policy model checkpoints trial.yaml test_looks.jsonl"
    assert [path.name for path in paths] == names.split()
    assert {path.parent for path in paths} == {run.path}


def test_metrics_are_sorted_and_nan_becomes_null(run):
    run.write_metrics({"b": float("nan"), "a": 1.0})
    assert list(json.loads(run.metrics.read_text()).items()) == [("a", 1.0), ("b", None)]
    assert run.read_metrics() == {"a": 1.0, "b": None}


def test_unfinished_run_has_no_metrics(run):
    assert run.read_metrics() is None
    run.metrics.write_text("[]")
    assert run.read_metrics() is None


def test_damaged_metrics_are_an_error(run):
    run.metrics.write_text("{")
    with pytest.raises(ValueError, match="line 1"):
        run.read_metrics()


def test_written_files_leave_nothing_beside_them(run):
    run.write_trial("seed: 0\n")
    run.write_report(b"<html>")
    run.write_dispatch(pd.DataFrame({"profit": [1.0]}))
    run.append_test_look({"policy": "ppo"})
    run.append_test_look({"policy": "dqn"})
    assert {path.name for path in run.path.iterdir()} == {
        "trial.yaml",
        "report.html",
        "dispatch.parquet",
        "test_looks.jsonl",
    }
    assert pd.read_parquet(run.dispatch).profit.tolist() == [1.0]
    assert [json.loads(line)["policy"] for line in run.test_looks.read_text().splitlines()] == ["ppo", "dqn"]
