"""Sweeps of stub trials as jobs of an emulator: each trial is trained once, whatever fails on the way."""

from __future__ import annotations

import json
import threading
import time

import pytest
from sagemaker_jobs.aws.job_names import parse_job_name

from battery_lab.sweep.journal import TrialState
from tests.launchers.stub_hydra_app import until
from tests.sagemaker_jobs.stub_sweeps import SLOW, StubSweep

pytestmark = pytest.mark.usefixtures("without_experiments")


def test_results_are_downloaded_and_two_jobs_run_at_a_time(emulator, tmp_path):
    sweep = StubSweep(tmp_path / "home", [{"steps": n} for n in (1, 2, 3)])
    outcomes = sweep.run()
    assert {number: (outcome.state, outcome.result) for number, outcome in outcomes.items()} == {
        0: (TrialState.DONE, 0.01),
        1: (TrialState.DONE, 0.02),
        2: (TrialState.DONE, 0.03),
    }
    assert sweep.metrics(2)["train/env_steps"] == 3
    assert sweep.metrics(2)["job/billable_seconds"] > 0
    assert len((sweep.folder / "2" / "curves.jsonl").read_text().splitlines()) == 3
    assert "starts from 0" in (sweep.folder / "2" / "trial.log").read_text()
    running = 0
    for _, state in sweep.display.states:
        running += {"running": 1, "done": -1}[state]
        assert running <= 2


def test_a_job_that_raises_fails_and_the_others_continue(emulator, tmp_path):
    sweep = StubSweep(tmp_path / "raises", [{"does": "raise"}, {}])
    outcomes = sweep.run()
    assert outcomes[0].state == TrialState.FAILED and "ValueError: no such thing" in outcomes[0].reason
    assert outcomes[1].state == TrialState.DONE
    # A second launch starts another job for the failed trial only. It adds the bill of the first job, too, as if that
    # had ended while no command followed it.
    (sweep.folder / "0" / "job.json").unlink()
    again = StubSweep(sweep.folder, sweep.trials).run()
    assert (again[0].state, again[1].state) == (TrialState.FAILED, TrialState.DONE)
    attempts = sorted((name.number, name.attempt) for name in map(parse_job_name, sweep.created_jobs(emulator)))
    assert attempts == [(0, 0), (0, 1), (1, 0)]
    bills = json.loads((sweep.folder / "0" / "job.json").read_text())
    assert [parse_job_name(bill["name"]).attempt for bill in bills] == [0, 1]


def test_a_spot_job_that_loses_its_host_resumes_from_its_checkpoint(emulator, tmp_path):
    spot = {"spot": True, "max_wait_s": 20_000, "prices": {"ml.c5.xlarge": 0.36}}
    sweep = StubSweep(tmp_path / "spot", [SLOW], spot)
    launch = sweep.launch()
    job = threading.Thread(target=lambda: _interrupt(emulator, sweep))
    job.start()
    launch.run()
    job.join()
    results = sweep.metrics(0)
    assert results["train/env_steps"] == 60
    assert results["starts"] == 2
    assert results["job/saved"] > 0
    log = (sweep.folder / "0" / "trial.log").read_text()
    starts = [int(line.rpartition(" ")[2]) for line in log.splitlines() if line.startswith("starts from")]
    assert starts[0] == 0 and starts[1] > 0


def _interrupt(emulator, sweep):
    until(lambda: (sweep.folder / "0" / "curves.jsonl").exists(), seconds=60)
    emulator.interrupt(next(iter(sweep.created_jobs(emulator))))


def test_faults_of_the_service_do_not_change_the_results(emulator, tmp_path):
    emulator.faults.add("ListTrainingJobs", "throttle", times=2)
    emulator.faults.add("CreateTrainingJob", "error_after", times=1)
    emulator.faults.add("CreateTrainingJob", "throttle", times=1, skip=2)
    emulator.faults.add("PutObject", "error_before", times=2)
    emulator.faults.add("GetObject", "error_before", times=2)
    sweep = StubSweep(tmp_path / "faults", [{"steps": 2}, {"steps": 3}])
    outcomes = sweep.run()
    assert {number: outcome.result for number, outcome in outcomes.items()} == {0: 0.02, 1: 0.03}
    client = emulator.client("sagemaker")
    listed = client.list_training_jobs(NameContains=sweep.job_name_prefix())["TrainingJobSummaries"]
    assert len(listed) == 2


def test_an_outage_is_reported_once_and_the_sweep_continues(emulator, tmp_path, monkeypatch, capsys):
    from sagemaker_jobs.aws import connection

    monkeypatch.setattr(connection, "RETRIES", 0)
    time.sleep(1)  # The test before may have used up the two lists per second that the service allows.
    sweep = StubSweep(tmp_path / "outage", [{"steps": 4, "first_pace": 0.5}])
    launch = sweep.launch()
    # Not the first request, without which nothing starts.
    emulator.faults.add("ListTrainingJobs", "error_before", times=3, skip=1)
    launch.run()
    assert sweep.trials_of_launch[0].outcome.state == TrialState.DONE
    assert capsys.readouterr().err.count("(jobs continue; this is tried again)") == 1
