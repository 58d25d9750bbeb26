"""Jobs of a sweep through an emulator: each trained once to its end, whatever fails on the way."""

from __future__ import annotations

import json
import os
import signal
import threading

import pytest
from sagemaker_jobs.aws.connection import passes
from sagemaker_jobs.aws.job_names import read_name
from sagemaker_jobs.collect.job_record import Record
from sagemaker_jobs.submit import training_jobs

from battery_lab.common.errors import DataError
from battery_lab.sweep.commands import collect, logs
from battery_lab.sweep.journal import Journal, State
from tests.launchers.app import until
from tests.sagemaker_jobs.sweeps import SLOW, StubSweep


@pytest.fixture(autouse=True)
def without_experiments(monkeypatch):
    """Experiments, which test_rehearsal.py shows, take as long as one of these jobs."""
    monkeypatch.setattr("sagemaker_jobs.pool.log_run", lambda *_: None)


def figures(sweep, number):
    return json.loads((sweep.folder / str(number) / "metrics.json").read_text())


def created(emulator, lead):
    names = [one["parameters"]["TrainingJobName"] for one in emulator.requests("CreateTrainingJob")]
    return [name for name in names if name.startswith(lead)]


def lead_of(sweep):
    return json.loads((sweep.folder / "remote.json").read_text())["lead"]


def test_jobs_come_home_two_at_a_time(emulator, tmp_path):
    sweep = StubSweep(tmp_path / "home", [{"steps": n} for n in (1, 2, 3)])
    endings = sweep.run()
    assert {n: (e.state, e.result) for n, e in endings.items()} == {
        0: (State.DONE, 0.01),
        1: (State.DONE, 0.02),
        2: (State.DONE, 0.03),
    }
    assert figures(sweep, 2)["train/env_steps"] == 3
    assert figures(sweep, 2)["job/billable_seconds"] > 0
    assert len((sweep.folder / "2" / "curves.jsonl").read_text().splitlines()) == 3
    assert "goes on from 0" in (sweep.folder / "2" / "trial.log").read_text()
    running = 0
    for _, state in sweep.display.states:
        running += {"running": 1, "done": -1}[state]
        assert running <= 2


def test_a_job_that_raises_has_failed_and_the_others_go_on(emulator, tmp_path):
    sweep = StubSweep(tmp_path / "raises", [{"does": "raise"}, {}])
    endings = sweep.run()
    assert endings[0].state == State.FAILED and "ValueError: no such thing" in endings[0].reason
    assert endings[1].state == State.DONE
    # The same again is another job for the one that failed, and none for the other. What the first came to is noted,
    # also where nobody was there when it ended.
    (sweep.folder / "0" / "job.json").unlink()
    again = StubSweep(sweep.folder, sweep.trials).run()
    assert (again[0].state, again[1].state) == (State.FAILED, State.DONE)
    attempts = sorted((read.number, read.attempt) for read in map(read_name, created(emulator, lead_of(sweep))))
    assert attempts == [(0, 0), (0, 1), (1, 0)]
    noted = [read_name(bill["name"]).attempt for bill in json.loads((sweep.folder / "0" / "job.json").read_text())]
    assert noted == [0, 1]


def test_a_spot_job_that_loses_its_host_goes_on_from_its_checkpoint(emulator, tmp_path):
    spot = {"spot": True, "max_wait_s": 20_000, "prices": {"ml.c5.xlarge": 0.36}}
    sweep = StubSweep(tmp_path / "spot", [SLOW], spot)
    launch = sweep.launch()
    job = threading.Thread(target=lambda: _interrupt(emulator, sweep))
    job.start()
    launch.run()
    job.join()
    told = figures(sweep, 0)
    assert told["train/env_steps"] == 60
    assert told["begun"] == 2, "the job was to be begun twice"
    assert told["job/saved"] > 0
    log = (sweep.folder / "0" / "trial.log").read_text()
    places = [int(line.rpartition(" ")[2]) for line in log.splitlines() if line.startswith("goes on from")]
    assert places[0] == 0 and places[1] > 0


def _interrupt(emulator, sweep):
    until(lambda: (sweep.folder / "0" / "curves.jsonl").exists(), seconds=60)
    emulator.interrupt(next(iter(created(emulator, lead_of(sweep)))))


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
    (ending,) = [trial.outcome for trial in sweep.known]
    assert ending.state == State.STOPPED and ending.detached == (choice == "leave")
    (name,) = created(emulator, lead_of(sweep))
    status = emulator.client("sagemaker").describe_training_job(TrainingJobName=name)["TrainingJobStatus"]
    assert status == ("Stopped" if choice == "stop" else "InProgress")
    # The same again: a stopped job is gone on with by another one, a left one is followed.
    assert sweep.run()[0].state == State.DONE
    assert len(created(emulator, lead_of(sweep))) == (2 if choice == "stop" else 1)
    assert figures(sweep, 0)["train/env_steps"] == steps
    if choice == "stop":
        log = (sweep.folder / "0" / "trial.log").read_text()
        assert "goes on from 0" not in log


def test_a_killed_launcher_finds_its_jobs_again(emulator, tmp_path):
    sweep = StubSweep(tmp_path / "killed", [{"steps": 4, "first_pace": 0.5}, {"steps": 1}])
    sweep.launch()
    sweep.made.open()
    for trial in sweep.known:
        sweep.made.start(trial.number, trial.folder, trial.job(None))
    # Neither a journal nor anybody else heard of these, and their launcher is gone.
    endings = StubSweep(sweep.folder, sweep.trials).run()
    assert {ending.state for ending in endings.values()} == {State.DONE}
    assert len(created(emulator, lead_of(sweep))) == 2


def test_faults_of_the_service_change_nothing(emulator, tmp_path):
    emulator.faults.add("ListTrainingJobs", "throttle", times=2)
    emulator.faults.add("CreateTrainingJob", "error_after", times=1)
    emulator.faults.add("CreateTrainingJob", "throttle", times=1, skip=2)
    emulator.faults.add("PutObject", "error_before", times=2)
    emulator.faults.add("GetObject", "error_before", times=2)
    sweep = StubSweep(tmp_path / "faults", [{"steps": 2}, {"steps": 3}])
    endings = sweep.run()
    assert {n: e.result for n, e in endings.items()} == {0: 0.02, 1: 0.03}
    client = emulator.client("sagemaker")
    listed = client.list_training_jobs(NameContains=lead_of(sweep))["TrainingJobSummaries"]
    assert len(listed) == 2


def test_a_full_quota_is_waited_for(emulator, tmp_path, monkeypatch):
    from botocore.exceptions import ClientError
    from sagemaker_jobs import pool

    refusals = 2
    send = pool.Sender.send

    def refused(*given):
        nonlocal refusals
        if refusals:
            refusals -= 1
            raise ClientError({"Error": {"Code": "ResourceLimitExceeded", "Message": "full"}}, "CreateTrainingJob")
        send(*given)

    monkeypatch.setattr(training_jobs, "QUOTA_PAUSE_S", 0.5)
    monkeypatch.setattr(pool.Sender, "send", refused)
    sweep = StubSweep(tmp_path / "full", [{"steps": 1}])
    assert sweep.run()[0].state == State.DONE
    assert refusals == 0 and len(created(emulator, lead_of(sweep))) == 1


def test_jobs_that_nobody_waits_for_are_followed_and_collected(emulator, tmp_path, capsys):
    trials = [{"steps": 5, "first_pace": 0.5}, {"steps": 2}, {"steps": 1}]
    sweep = StubSweep(tmp_path / "left", trials, {"wait": False})
    endings = sweep.run()
    assert {number: ending.detached for number, ending in endings.items()} == {0: True, 1: True}
    capsys.readouterr()
    logs(sweep.folder, 0)
    lines = capsys.readouterr().out.splitlines()
    assert "goes on from 0" in lines and any(line.startswith("metrics env_steps=5 ") for line in lines)
    assert lines[-1] == f"--- {Record.read(sweep.folder).jobs[0][0]}: Completed"

    def home():
        collect(sweep.folder)
        return all((sweep.folder / str(number) / "metrics.json").exists() for number in (0, 1))

    until(home, seconds=60)
    assert figures(sweep, 0)["train/env_steps"] == 5
    # The same command sends those that waited for a place.
    assert StubSweep(sweep.folder, trials, sweep.chosen).run()[2].detached
    journal = Journal(sweep.folder)
    journal.read()
    assert [entry.state for entry in journal.entries.values()] == [State.DONE, State.DONE, State.STOPPED]


def test_what_nobody_waited_for_comes_home_by_the_same_command(emulator, tmp_path):
    trials, chosen = [{"steps": 1}, {"steps": 2}, {"steps": 3}], {"wait": False}
    sweep = StubSweep(tmp_path / "again", trials, chosen)
    assert len(sweep.run()) == 2
    client, names = emulator.client("sagemaker"), created(emulator, lead_of(sweep))

    def ended():
        # One by one, as lists are throttled.
        told = [client.describe_training_job(TrainingJobName=name)["TrainingJobStatus"] for name in names]
        return told == ["Completed"] * 2

    until(ended, seconds=60)
    again = StubSweep(sweep.folder, trials, chosen).run()
    assert {number: ending.state for number, ending in again.items()} == {
        0: State.DONE,
        1: State.DONE,
        2: State.STOPPED,
    }
    assert again[2].detached and len(created(emulator, lead_of(sweep))) == 3


@pytest.mark.parametrize("choice", ["stop", "leave"])
def test_ctrl_c_amid_the_sending_stops_what_nobody_was_to_wait_for(emulator, tmp_path, monkeypatch, choice):
    from sagemaker_jobs import pool

    send, trials = pool.Sender.send, [{**SLOW, "steps": {"stop": 600, "leave": 12}[choice]}, {"steps": 1}]

    def begun():
        told = emulator.client("s3").list_objects_v2(Bucket="lab").get("Contents", [])
        return [one["Key"] for one in told if one["Key"].endswith("/begun")]

    before = begun()

    def interrupted(*given):
        send(*given)
        # By then it hears that it is to stop.
        until(lambda: len(begun()) > len(before))
        os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr(pool.Sender, "send", interrupted)
    sweep = StubSweep(tmp_path / f"sending-{choice}", trials, {"wait": False, "on_interrupt": choice})
    launch = sweep.launch()
    launch.run()
    assert launch.stopped_by == signal.SIGINT and launch.detached == (choice == "leave")
    assert [trial.outcome and trial.outcome.state for trial in sweep.known] == [State.STOPPED, None]
    (name,) = created(emulator, lead_of(sweep))
    told = emulator.client("sagemaker").describe_training_job(TrainingJobName=name)
    assert told["TrainingJobStatus"] == {"stop": "Stopped", "leave": "InProgress"}[choice]


def test_jobs_that_are_left_stay_so_when_one_is_ended(emulator, tmp_path):
    sweep = StubSweep(tmp_path / "pruned", [{}], {"on_interrupt": "leave"})
    sweep.launch()
    assert sweep.made.has_capacity
    sweep.made.stop(by_signal=True)
    sweep.made.stop(0)
    assert not sweep.made.has_capacity


def test_more_parameters_than_experiments_hold_are_told(tmp_path, capsys):
    from sagemaker_jobs.aws.experiments import parameters

    for count in (300, 301):
        (tmp_path / "trial.yaml").write_text("".join(f"p{n}: {n}\n" for n in range(count)))
        held = parameters("trial-0", tmp_path)
        assert len(held) == 300 and held["p7"] == "7"
    said = capsys.readouterr().err
    assert said == "of the 301 parameters of trial-0 Experiments hold 300, and trial.yaml has all\n"


@pytest.mark.parametrize(("limit", "waits"), [("2.0", True), ("0", False)])
def test_a_quota_without_room_for_a_job_is_told_and_not_waited_for(limit, waits):
    message = (
        f"The account-level service limit 'ml.g5.xlarge for training job usage' is {limit} Instances, with current "
        "utilization of 0 Instances and a request delta of 1 Instances."
    )
    if waits:
        training_jobs._check_quota(message)
        return
    with pytest.raises(DataError, match="quota 'ml.g5.xlarge for training job usage' is 0, and a job wants 1: ask for"):
        training_jobs._check_quota(message)


def test_a_fault_that_does_not_pass_is_no_wait():
    from botocore.exceptions import ConnectTimeoutError

    assert passes(ConnectTimeoutError(endpoint_url="https://s3"))
    assert not any(passes(error) for error in (ValueError("no"), FileNotFoundError("no"), DataError("60 GiB")))


def test_an_outage_is_told_once_and_sat_out(emulator, tmp_path, monkeypatch, capsys):
    from sagemaker_jobs.aws import connection

    monkeypatch.setattr(connection, "ATTEMPTS", 1)
    sweep = StubSweep(tmp_path / "outage", [{"steps": 4, "first_pace": 0.5}])
    launch = sweep.launch()
    # Not the first look, without which nothing begins.
    emulator.faults.add("ListTrainingJobs", "error_before", times=3, skip=1)
    launch.run()
    assert sweep.known[0].outcome.state == State.DONE
    assert capsys.readouterr().err.count("(jobs go on; this is tried again)") == 1
