"""A sweep seen and mended from another shell."""

from __future__ import annotations

import json
import os
import re

import pandas as pd
import pytest
from filelock import FileLock

from battery_lab.cli.main import main
from battery_lab.config.sweep_name import store_command
from battery_lab.sweep import commands
from battery_lab.sweep.journal import Journal, State


@pytest.fixture
def sweep(tmp_path):
    """A sweep with a trial that is done, one that failed, one that was running and one that was to come."""
    folder = tmp_path / "sweep"
    journal = Journal(folder)
    for number in range(4):
        journal.add_trial(str(number), "source", ["env=battery", f"seed={number}"])
    for number in range(3):
        (folder / str(number)).mkdir()
        journal.record_start(number, folder / str(number), 100, 0)
    journal.record_outcome(0, State.DONE, 0.5)
    (folder / "0" / "metrics.json").write_text(json.dumps({"validation/capture": 0.5, "test/capture": 0.4}))
    journal.record_outcome(1, State.FAILED, reason="no such file")
    (folder / "2" / "curves.jsonl").write_text('{"env_steps": 50, "time": 1.0, "validation/capture": 0.25}\n')
    return folder


@pytest.fixture
def said(capsys):
    def run(*arguments, status=0):
        try:
            main(["sweep", *arguments])
            ended = 0
        except SystemExit as end:
            ended = end.code or 0
        captured = capsys.readouterr()
        assert ended == status, captured
        return captured.out if status == 0 else captured.err

    return run


def test_status_of_a_sweep_that_was_killed(sweep, said):
    text = said("status", str(sweep))
    assert re.search(r"0 +seed=0 +done +0\.500", text), text
    assert re.search(r"1 +seed=1 +failed .*no such file", text)
    assert re.search(r"2 +seed=2 +stopped +50% +0\.250 +its sweep was killed", text)
    assert re.search(r"3 +seed=3 +waiting", text)
    assert f"{sweep} does not go on right now: 1 waiting, 1 done, 1 stopped, 1 failed" in text


def test_status_of_a_sweep_that_goes_on(sweep, said):
    with FileLock(sweep / ".lock"):
        text = said("status", str(sweep))
    assert re.search(r"2 +seed=2 +running", text) and "goes on right now" in text


def test_retry_asks_the_sweep_that_goes_on(sweep, said):
    with FileLock(sweep / ".lock"):
        assert said("retry", str(sweep)) == f"the sweep that goes on in {sweep} tries again: 1\n"
    journal = Journal(sweep)
    assert journal.take_retry_requests() == [1]


def test_retry_goes_on_with_a_sweep_that_does_not(sweep, monkeypatch, said, tmp_path):
    (tmp_path / "begun").mkdir()
    monkeypatch.chdir(tmp_path / "begun")
    store_command(sweep, ["seed=0,1"])
    monkeypatch.chdir(tmp_path)
    called = []
    monkeypatch.setattr(commands.os, "execv", lambda _, arguments: called.append((arguments[1:], os.getcwd())))
    said("retry", str(sweep), "1")
    assert called == [(["-m", "battery_lab", f"sweep.resume={sweep}"], str(tmp_path / "begun"))]
    journal = Journal(sweep)
    journal.read()
    assert journal.entries[1].state == State.WAITING


def test_retry_where_nothing_failed(sweep, said):
    journal = Journal(sweep)
    journal.read()
    journal.record_outcome(1, State.DONE, 0.1)
    assert said("retry", str(sweep)) == f"no trial of {sweep} has failed\n"


def test_collect_writes_a_row_a_trial(sweep, said):
    assert said("collect", str(sweep)) == f"{sweep / 'results.csv'}: 1 of 4 trials are done\n"
    found = pd.read_csv(sweep / "results.csv")
    assert found["trial"].tolist() == [0, 1, 2, 3]
    assert found["choice.seed"].tolist() == [0, 1, 2, 3]
    assert found["state"].tolist() == ["done", "failed", "running", "waiting"]
    assert found["env_steps"].tolist() == [0, 0, 50, 0] and found["result"].tolist()[0] == 0.5
    assert found["test/capture"].tolist()[0] == 0.4 and found["test/capture"].isna().tolist()[1:] == [True] * 3


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["stat"],
            "battery-lab sweep has collect, logs, retry, status; did you mean battery-lab sweep status?",
        ),
        (["status"], "status needs the folder of a sweep"),
        (["status", "nowhere"], "nowhere must be the folder of a sweep, which holds journal.jsonl, and it holds none"),
        (["collect", "{sweep}", "1"], "collect takes only the folder of a sweep, got also 1"),
        (["retry", "{sweep}", "x"], "x must be the number of a trial"),
        (["retry", "{sweep}", "0"], r"trial 0 is done: retry takes trials that failed (\[1\]) or were stopped"),
        (["retry", "{sweep}", "9"], "trial 9 is none of the sweep"),
    ],
)
def test_mistakes_are_told(sweep, said, arguments, message):
    given = [argument.format(sweep=sweep) for argument in arguments]
    assert message.replace("\\", "") in said(*given, status=1)


def test_help(said):
    assert "battery-lab sweep retry" in said("--help")
