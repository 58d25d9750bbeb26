"""Sweep commands: status, retry, collect and logs."""

from __future__ import annotations

import json
import os
import re

import pandas as pd
import pytest
from filelock import FileLock

from battery_lab.cli.main import main
from battery_lab.common.errors import ConfigError
from battery_lab.config.stored_sweep_command import store_command
from battery_lab.sweep.collect import collect
from battery_lab.sweep.journal import Journal, TrialState
from battery_lab.sweep.logs import logs


@pytest.fixture
def sweep(tmp_path):
    """A killed sweep with four trials: done, failed, running and waiting."""
    folder = tmp_path / "sweep"
    journal = Journal(folder)
    for number in range(4):
        journal.add_trial(str(number), "source", ["env=battery", f"seed={number}"])
    for number in range(3):
        (folder / str(number)).mkdir()
        journal.record_start(number, folder / str(number), 100, 0)
    journal.record_outcome(0, TrialState.DONE, 0.5)
    (folder / "0" / "metrics.json").write_text(json.dumps({"validation/capture": 0.5, "test/capture": 0.4}))
    (folder / "0" / "trial.log").write_text("training\n")
    journal.record_outcome(1, TrialState.FAILED, reason="no such file")
    (folder / "2" / "curves.jsonl").write_text('{"env_steps": 50, "time": 1.0, "validation/capture": 0.25}\n')
    return folder


@pytest.fixture
def run(capsys):
    """Run the command in this process, check its exit status and return its output or error message."""

    def run(*arguments, status=0):
        try:
            main(["sweep", *arguments])
            returned = 0
        except SystemExit as end:
            returned = end.code or 0
        captured = capsys.readouterr()
        assert returned == status, captured
        return captured.out if status == 0 else captured.err

    return run


class RecordedRemoteJobs:
    """Remote jobs that record calls. ``collect`` settles trial 2."""

    def __init__(self):
        self.calls = []

    def collect(self, folder, journal):
        self.calls.append(("collect", folder))
        journal.record_outcome(2, TrialState.DONE, 0.75)

    def logs(self, folder, number):
        self.calls.append(("logs", folder, number))


def test_status_of_a_killed_sweep(sweep, run):
    text = run("status", str(sweep))
    assert re.search(r"0 +seed=0 +done +0\.500", text), text
    assert re.search(r"1 +seed=1 +failed .*no such file", text)
    assert re.search(r"2 +seed=2 +stopped +50% +0\.250 +its sweep was killed", text)
    assert re.search(r"3 +seed=3 +waiting", text)
    assert f"{sweep} is not running: 1 waiting, 1 done, 1 stopped, 1 failed" in text


def test_status_of_a_running_sweep(sweep, run):
    with FileLock(sweep / ".lock"):
        text = run("status", str(sweep))
    assert re.search(r"2 +seed=2 +running", text) and f"{sweep} is running" in text


def test_retry_sends_a_request_to_a_running_sweep(sweep, run):
    with FileLock(sweep / ".lock"):
        assert run("retry", str(sweep)) == f"the running sweep in {sweep} retries trial 1\n"
    journal = Journal(sweep)
    assert journal.take_retry_requests() == [1]


def test_retry_resumes_a_sweep_that_is_not_running(sweep, monkeypatch, run, tmp_path):
    (tmp_path / "start").mkdir()
    monkeypatch.chdir(tmp_path / "start")
    store_command(sweep, ["seed=0,1"])
    monkeypatch.chdir(tmp_path)
    calls = []
    monkeypatch.setattr(os, "execv", lambda _, arguments: calls.append((arguments[1:], os.getcwd())))
    assert run("retry", str(sweep), "1") == f"resuming the sweep in {sweep}, which retries trial 1\n"
    assert calls == [(["-m", "battery_lab", f"sweep.resume={sweep}"], str(tmp_path / "start"))]
    journal = Journal(sweep)
    journal.read()
    assert journal.entries[1].state == TrialState.WAITING


def test_retry_without_failed_trials_does_nothing(sweep, run):
    journal = Journal(sweep)
    journal.read()
    journal.record_outcome(1, TrialState.DONE, 0.1)
    assert run("retry", str(sweep)) == f"no trial of {sweep} has failed\n"


def test_collect_writes_one_row_per_trial(sweep, run):
    assert run("collect", str(sweep)) == f"{sweep / 'results.csv'}: 1 of 4 trials are done\n"
    results = pd.read_csv(sweep / "results.csv")
    assert results["trial"].tolist() == [0, 1, 2, 3]
    assert results["choice.seed"].tolist() == [0, 1, 2, 3]
    assert results["state"].tolist() == ["done", "failed", "running", "waiting"]
    assert results["env_steps"].tolist() == [0, 0, 50, 0] and results["result"].tolist()[0] == 0.5
    assert results["test/capture"].tolist()[0] == 0.4 and results["test/capture"].isna().tolist()[1:] == [True] * 3


def test_collect_downloads_results_of_remote_jobs_first(sweep, capsys):
    remote = RecordedRemoteJobs()
    collect(sweep, remote)
    assert remote.calls == [("collect", sweep)]
    assert capsys.readouterr().out == f"{sweep / 'results.csv'}: 2 of 4 trials are done\n"


def test_collect_leaves_remote_jobs_to_the_command_that_follows_them(sweep):
    remote = RecordedRemoteJobs()
    with FileLock(sweep / ".lock"), pytest.raises(ConfigError, match="in use by a running command"):
        collect(sweep, remote)
    assert remote.calls == []


def test_logs_prints_the_output_of_a_trial(sweep, run):
    assert run("logs", str(sweep), "0") == "training\n"


def test_logs_follows_the_job_of_a_remote_trial_that_is_not_done(sweep, capsys):
    remote = RecordedRemoteJobs()
    logs(sweep, 0, remote)
    logs(sweep, 1, remote)
    assert remote.calls == [("logs", sweep, 1)]
    assert capsys.readouterr().out == "training\n"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["stat"], "battery-lab sweep has collect, logs, retry, status; did you mean battery-lab sweep status?"),
        (["status", "nowhere"], "nowhere must be the folder of a sweep, but it has no journal.jsonl"),
        (["collect", "{sweep}", "1"], "collect takes only the folder of a sweep, got also 1"),
        (["retry", "{sweep}", "x"], "x must be the number of a trial"),
        (["retry", "{sweep}", "0"], "trial 0 is done: retry takes trials that failed ([1]) or were stopped"),
        (["retry", "{sweep}", "9"], "trial 9 is not in the sweep"),
        (["logs", "{sweep}", "9"], "trial 9 is not in the sweep, which has [0, 1, 2, 3]"),
        (["logs", "{sweep}", "1"], "trial 1 has no output yet: there is no "),
    ],
)
def test_errors(sweep, run, arguments, message):
    assert message in run(*(argument.format(sweep=sweep) for argument in arguments), status=1)


def test_help(run):
    assert "battery-lab sweep retry" in run("--help")
    assert "battery-lab sweep status outputs/sweeps/<sweep>" in run("status", "--help")
