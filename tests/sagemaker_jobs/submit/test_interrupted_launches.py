"""Launches that Ctrl-C or a kill ends, and jobs that are left to run."""

from __future__ import annotations

import os
import signal
import threading

import pytest
from hydra_plugins.battery_lab_launchers import _sagemaker_collect_and_logs
from sagemaker_jobs.collect.sweep_record import SweepRecord

from battery_lab.sweep.collect import collect
from battery_lab.sweep.journal import Journal, TrialState
from battery_lab.sweep.logs import logs
from tests.launchers.stub_hydra_app import until
from tests.sagemaker_jobs.stub_sweeps import SLOW, StubSweep

pytestmark = pytest.mark.usefixtures("without_experiments")


@pytest.mark.parametrize("choice", ["stop", "leave"])
def test_ctrl_c_stops_jobs_or_leaves_them(emulator, tmp_path, choice):
    steps = {"stop": 60, "leave": 12}[choice]
    sweep = StubSweep(tmp_path / choice, [{**SLOW, "steps": steps}], {"on_interrupt": choice})
    launch = sweep.launch()

    def interrupt():
        until(lambda: (sweep.folder / "0" / "curves.jsonl").exists(), seconds=60)
        os.kill(os.getpid(), signal.SIGINT)

    thread = threading.Thread(target=interrupt)
    thread.start()
    launch.run()
    thread.join()
    assert launch.stopped_by == signal.SIGINT
    (outcome,) = [trial.outcome for trial in sweep.trials_of_launch]
    assert outcome.state == TrialState.STOPPED and outcome.detached == (choice == "leave")
    (name,) = sweep.created_jobs(emulator)
    status = emulator.client("sagemaker").describe_training_job(TrainingJobName=name)["TrainingJobStatus"]
    assert status == ("Stopped" if choice == "stop" else "InProgress")
    # A second launch resumes a stopped trial with another job, and follows a job that was left.
    assert sweep.run()[0].state == TrialState.DONE
    assert len(sweep.created_jobs(emulator)) == (2 if choice == "stop" else 1)
    assert sweep.metrics(0)["train/env_steps"] == steps
    if choice == "stop":
        log = (sweep.folder / "0" / "trial.log").read_text()
        assert "starts from 0" not in log


def test_a_launch_after_a_kill_finds_the_jobs_of_the_killed_one(emulator, tmp_path):
    sweep = StubSweep(tmp_path / "killed", [{"steps": 4, "first_pace": 0.5}, {"steps": 1}])
    sweep.launch()
    sweep.job_pool.open()
    for trial in sweep.trials_of_launch:
        sweep.job_pool.start(trial.number, trial.folder, trial.job(None))
    # These are in no journal, and their launcher is gone.
    outcomes = StubSweep(sweep.folder, sweep.trials).run()
    assert {outcome.state for outcome in outcomes.values()} == {TrialState.DONE}
    assert len(sweep.created_jobs(emulator)) == 2


def test_jobs_that_were_left_can_be_followed_and_collected(emulator, tmp_path, capsys):
    trials = [{"steps": 5, "first_pace": 0.5}, {"steps": 2}, {"steps": 1}]
    sweep = StubSweep(tmp_path / "left", trials, {"wait": False})
    outcomes = sweep.run()
    assert {number: outcome.detached for number, outcome in outcomes.items()} == {0: True, 1: True}
    capsys.readouterr()
    logs(sweep.folder, 0, _sagemaker_collect_and_logs)
    lines = capsys.readouterr().out.splitlines()
    assert "starts from 0" in lines and any(line.startswith("metrics env_steps=5 ") for line in lines)
    assert lines[-1] == f"--- {SweepRecord.read(sweep.folder).jobs[0][0]}: Completed"

    def collected():
        collect(sweep.folder, _sagemaker_collect_and_logs)
        return all((sweep.folder / str(number) / "metrics.json").exists() for number in (0, 1))

    until(collected, seconds=60)
    assert sweep.metrics(0)["train/env_steps"] == 5
    # The same command sends those that had no place.
    assert StubSweep(sweep.folder, trials, sweep.chosen).run()[2].detached
    journal = Journal(sweep.folder)
    journal.read()
    assert [entry.state for entry in journal.entries.values()] == [TrialState.DONE, TrialState.DONE, TrialState.STOPPED]


def test_the_same_command_collects_jobs_that_were_left(emulator, tmp_path):
    trials, chosen = [{"steps": 1}, {"steps": 2}, {"steps": 3}], {"wait": False}
    sweep = StubSweep(tmp_path / "again", trials, chosen)
    assert len(sweep.run()) == 2
    client, names = emulator.client("sagemaker"), sweep.created_jobs(emulator)

    def completed():
        # One by one, as lists are throttled.
        statuses = [client.describe_training_job(TrainingJobName=name)["TrainingJobStatus"] for name in names]
        return statuses == ["Completed"] * 2

    until(completed, seconds=60)
    again = StubSweep(sweep.folder, trials, chosen).run()
    assert {number: outcome.state for number, outcome in again.items()} == {
        0: TrialState.DONE,
        1: TrialState.DONE,
        2: TrialState.STOPPED,
    }
    assert again[2].detached and len(sweep.created_jobs(emulator)) == 3


@pytest.mark.parametrize("choice", ["stop", "leave"])
def test_ctrl_c_while_jobs_are_sent_stops_or_leaves_them(emulator, tmp_path, monkeypatch, choice):
    from sagemaker_jobs import training_job_pool

    send, trials = training_job_pool.Sender.send, [{**SLOW, "steps": {"stop": 600, "leave": 12}[choice]}, {"steps": 1}]

    def started():
        objects = emulator.client("s3").list_objects_v2(Bucket="lab").get("Contents", [])
        return [each["Key"] for each in objects if each["Key"].endswith("/starts")]

    before = started()

    def interrupt(*arguments):
        send(*arguments)
        # From then on the job handles SIGTERM.
        until(lambda: len(started()) > len(before))
        os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr(training_job_pool.Sender, "send", interrupt)
    sweep = StubSweep(tmp_path / f"sending-{choice}", trials, {"wait": False, "on_interrupt": choice})
    launch = sweep.launch()
    launch.run()
    assert launch.stopped_by == signal.SIGINT and launch.detached == (choice == "leave")
    assert [trial.outcome and trial.outcome.state for trial in sweep.trials_of_launch] == [TrialState.STOPPED, None]
    (name,) = sweep.created_jobs(emulator)
    job = emulator.client("sagemaker").describe_training_job(TrainingJobName=name)
    assert job["TrainingJobStatus"] == {"stop": "Stopped", "leave": "InProgress"}[choice]


def test_jobs_that_are_left_are_not_stopped_one_by_one(emulator, tmp_path):
    sweep = StubSweep(tmp_path / "pruned", [{}], {"on_interrupt": "leave"})
    sweep.launch()
    assert sweep.job_pool.has_capacity
    sweep.job_pool.stop(by_signal=True)
    sweep.job_pool.stop(0)
    assert not sweep.job_pool.has_capacity
