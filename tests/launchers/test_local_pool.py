"""The local launcher: processes of their own, failures that are ordinary, and nothing that outlives it."""

from __future__ import annotations

import os
import re
import signal

import pytest
from filelock import FileLock

from tests.launchers.app import App, gone, until


@pytest.fixture
def app(tmp_path):
    return App(tmp_path)


def test_each_trial_has_a_process_and_a_log_of_its_own(app):
    status, said = app.run("number=1,2")
    assert status == 0, said
    assert app.ends() == [(0, "done", 0.5), (1, "done", 1.0)]
    first, second = (app.processes(number) for number in (0, 1))
    assert len(first) == len(second) == 1 and first != second
    for number in (0, 1):
        assert (app.trial(number) / "trial.log").read_text() == "try 1\n"
        assert (app.trial(number) / ".hydra" / "overrides.yaml").read_text() == f"- number={number + 1}\n"
    assert "try" not in said


def test_the_same_command_again_runs_what_is_new_alone(app):
    app.run("number=1,2")
    status, said = app.run("number=3,2,1")
    assert status == 0, said
    assert app.ends() == [(0, "done", 0.5), (1, "done", 1.0), (2, "done", 1.5)]
    assert [len(app.processes(number)) for number in range(3)] == [1, 1, 1]


def test_a_failure_is_told_and_the_others_go_on(app):
    status, said = app.run("does=raise,die,exit,well")
    assert status == 1
    failed = "ValueError: no such thing"
    killed = "killed by SIGKILL, as the system does with what takes too much memory"
    ended = "its process ended with status 7: try 1"
    assert app.ends() == [(0, "failed", failed), (1, "failed", killed), (2, "failed", ended), (3, "done", None)]
    assert f"3 of 4 trials failed: trial 0 (does=raise): {failed}; trial 1 (does=die): {killed}" in said
    assert "Traceback" in (app.trial(0) / "trial.log").read_text()


def test_an_error_need_not_come_to_be_again_where_the_launcher_is(app):
    status, said = app.run("does=odd,well")
    assert status == 1, said
    assert app.ends() == [(0, "failed", "Odd: it has 3"), (1, "done", None)]


def test_a_trial_that_somebody_else_stops_has_failed(app):
    status, said = app.run("does=end,well")
    assert status == 1, said
    assert app.ends() == [(0, "failed", "somebody else than the sweep stopped its process"), (1, "done", None)]


def test_a_sweep_goes_on_with_no_run(app):
    status, said = app.run("number=1,2", "+resume=somewhere")
    assert status == 1 and "resume=somewhere goes on with one run, and this is a sweep" in said
    assert not app.trial(0).exists()


def test_equal_trials_are_one(app):
    status, said = app.run("number=1,1")
    assert status == 0, said
    assert app.ends() == [(0, "done", 0.5)]


def test_what_another_source_made_does_not_count_even_where_it_cannot_be_set_aside_at_once(app):
    assert app.run("number=1")[0] == 0
    program = app.home / "app.py"
    program.write_text(program.read_text() + "\n# changed\n")
    with FileLock(app.trial(0) / ".lock"):
        for _ in range(2):
            status, said = app.run("number=1")
            assert status == 1 and "belongs to a run of another source of the lab that goes on" in said
    assert app.run("number=1")[0] == 0
    assert [number for number, _, _ in app.ends()] == [0, 0]
    assert len(app.processes(0)) == 1 and len(list(app.home.glob("sweep/0.*/begun"))) == 1


def test_a_trial_is_tried_as_often_as_asked(app):
    status, said = app.run("does=once", "sweep.tries=2")
    assert status == 0, said
    assert [state for _, state, _ in app.ends()] == ["failed", "done"]
    assert len(app.processes(0)) == 2


def test_after_a_failure_nothing_more_begins_if_asked(app):
    status, said = app.run("does=raise,well", "sweep.on_failure=stop")
    assert status == 1
    assert app.ends() == [(0, "failed", "ValueError: no such thing")]
    assert "1 of 2 trials failed; 1 others did not come to their end" in said
    assert app.processes(1) == []


@pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="needs two cores")
def test_trials_at_once_have_cores_of_their_own(app):
    status, said = app.run("does=cores", "number=1,2", "hydra.launcher.parallel=2")
    assert status == 0, said
    first, second = ((app.trial(number) / "cores").read_text().split() for number in (0, 1))
    assert first and second and not set(first) & set(second)
    assert len(first) == len(second) == len(os.sched_getaffinity(0)) // 2


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ("parallel=0", "hydra.launcher.parallel must be a whole number from 1, got 0"),
        ("cores=0", "hydra.launcher.cores must be null or a whole number from 1, got 0"),
        ("parallel=999", r"hydra.launcher.parallel=999 trials of 1 core take more than the \d+ that there are"),
    ],
)
def test_options_that_cannot_be_are_told(app, option, message):
    status, said = app.run(f"hydra.launcher.{option}")
    assert status == 1 and re.search(message, said), said
    assert not app.trial(0).exists()


def test_one_sweep_is_run_by_one_at_a_time(app):
    first = app.start("does=wait")
    until(lambda: app.processes(0))
    status, said = app.run("does=wait")
    assert status == 1 and "is a sweep that goes on right now: look at it with" in said
    first.kill()
    first.communicate()


def test_trials_end_with_a_launcher_that_is_killed(app):
    launcher = app.start("does=wait")
    until(lambda: app.processes(0))
    launcher.kill()
    launcher.communicate()
    until(lambda: gone(app.processes(0)[0]))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_stop_ends_trials_and_says_how_to_go_on(app, number):
    launcher = app.start("does=wait,well")
    until(lambda: app.processes(0))
    launcher.send_signal(number)
    said, _ = launcher.communicate(timeout=60)
    assert app.ends() == [(0, "stopped", None)]
    assert f"stopped by {number.name}; resume with: battery-lab sweep.resume=sweep" in said
    assert gone(app.processes(0)[0]) and app.processes(1) == []
