"""Trials in a job's container: where they start from, what they deliver, and how failures are reported."""

from __future__ import annotations

import signal
from types import SimpleNamespace

import pytest
from sagemaker_jobs.container import run_trial
from sagemaker_jobs.container.job_environment import JobEnvironment

from battery_lab.common.errors import ConfigError, DataError
from battery_lab.experiment.trainer import Interrupted


def job(tmp_path, **changes):
    trial = tmp_path / "trial"
    trial.mkdir()
    (trial / "number").write_text("3\n")
    variables = {"SAGEMAKER_BASE_DIR": str(tmp_path / "ml"), "SM_CHANNEL_TRIAL": str(trial)}
    variables |= {"SM_MODEL_DIR": str(tmp_path / "model"), "SM_OUTPUT_DATA_DIR": str(tmp_path / "output")}
    return JobEnvironment.read(variables | changes)


def checkpoint(run, env_steps):
    path = run / "checkpoints" / f"{env_steps:012d}"
    path.mkdir(parents=True)
    (path / "state.json").write_text("{}")


def test_a_job_without_a_trial_is_an_error():
    with pytest.raises(DataError, match="the job has no channel trial, which holds the trial"):
        JobEnvironment.read({"SM_MODEL_DIR": "m", "SM_OUTPUT_DATA_DIR": "o"})


def test_files_of_the_sweep_are_in_the_parent_of_the_run_folder(tmp_path):
    current = job(tmp_path)
    (current.trial / "mlflow.json").write_text("{}")
    folder = run_trial.prepare_run_folder(current)
    assert folder == tmp_path / "ml" / "checkpoints" / "3"
    assert (folder.parent / "mlflow.json").is_file()


def test_the_checkpoint_that_an_attempt_failed_from_is_noted(tmp_path):
    checkpoint(tmp_path, 512)
    with pytest.raises(ValueError, match="no such thing"), run_trial.noting_failure(tmp_path):
        checkpoint(tmp_path, 1024)
        raise ValueError("no such thing")
    assert run_trial.failed_from(tmp_path) == 512


def test_an_interrupted_attempt_is_not_noted(tmp_path):
    checkpoint(tmp_path, 512)
    with pytest.raises(Interrupted), run_trial.noting_failure(tmp_path):
        raise Interrupted(signal.SIGTERM, tmp_path)
    assert run_trial.failed_from(tmp_path) is None


def test_an_invalid_option_is_not_noted(tmp_path):
    checkpoint(tmp_path, 512)
    with pytest.raises(ConfigError), run_trial.noting_failure(tmp_path):
        raise ConfigError("too few cores")
    assert run_trial.failed_from(tmp_path) is None


def test_a_failed_export_does_not_end_the_job(tmp_path, monkeypatch, capsys):
    def broken(*_):
        raise ConfigError("network.kernel is odd")

    monkeypatch.setattr("battery_lab.policies.onnx_export.export_policy", broken)
    run_trial.export_served_policy(SimpleNamespace(network=None, env=None, name="ppo"), tmp_path, tmp_path / "model")
    output = capsys.readouterr().out
    assert output == "the policy cannot be served as it is: ConfigError: network.kernel is odd\n"


def test_results_are_delivered_without_checkpoints_and_notes(tmp_path):
    current = job(tmp_path)
    folder = run_trial.prepare_run_folder(current)
    results = ("policy/policy.json", "trial.yaml", "metrics.json", "report.html")
    for name in (*results, "checkpoints/x", ".lock", "failed_from"):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text("{}")
    run_trial.deliver(folder, current)
    names = {path.name for path in current.output.iterdir()}
    assert names == {"policy", "trial.yaml", "metrics.json", "report.html"}
    assert {path.name for path in current.model.iterdir()} == {"policy", "trial.yaml", "metrics.json"}


def test_a_failure_is_written_to_the_file_that_the_service_reads(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("SAGEMAKER_BASE_DIR", str(tmp_path))
    assert run_trial.report_failure(DataError("prices.csv holds\nno prices: bring some")) == 1
    assert (tmp_path / "output" / "failure").read_text() == "prices.csv holds no prices: bring some"
    assert capsys.readouterr().out == "prices.csv holds no prices: bring some\n"
