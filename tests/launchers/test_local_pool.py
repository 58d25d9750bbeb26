"""Local launcher: one process per trial, clear failures, and no process outlives the launcher."""

from __future__ import annotations

import os
import signal

import pytest
from filelock import FileLock
from hydra_plugins.battery_lab_launchers._local_pool import LocalOptions, LocalPool

from battery_lab.common.errors import ConfigError
from tests.launchers.stub_hydra_app import App, is_gone, until


@pytest.fixture
def app(tmp_path):
    return App(tmp_path)


@pytest.mark.walk
def test_each_trial_has_its_own_process_and_log_and_runs_once(app):
    status, output = app.run("number=1,2,1")
    assert status == 0, output
    # Equal trials are one.
    assert app.outcomes() == [(0, "done", 0.5), (1, "done", 1.0)]
    first, second = (app.processes(number) for number in (0, 1))
    assert len(first) == len(second) == 1 and first != second
    for number in (0, 1):
        assert (app.trial(number) / "trial.log").read_text() == "attempt 1\n"
        assert f"- number={number + 1}\n" in (app.trial(number) / ".hydra" / "overrides.yaml").read_text()
    assert "attempt" not in output
    # The same command with another trial runs only that one.
    status, output = app.run("number=3,2,1")
    assert status == 0, output
    assert app.outcomes() == [(0, "done", 0.5), (1, "done", 1.0), (2, "done", 1.5)]
    assert [len(app.processes(number)) for number in range(3)] == [1, 1, 1]


@pytest.mark.walk
def test_failures_are_reported_and_other_trials_continue(app):
    status, output = app.run("does=raise,die,exit,unpicklable,terminate,nothing")
    assert status == 1
    raised = "ValueError: no such thing"
    killed = "killed by SIGKILL, possibly by the system because it was out of memory"
    assert app.outcomes() == [
        (0, "failed", raised),
        (1, "failed", killed),
        (2, "failed", "its process exited with status 7: attempt 1"),
        (3, "failed", "Unpicklable: it has 3"),
        (4, "failed", "its process was stopped from outside the sweep"),
        (5, "done", None),
    ]
    assert f"5 of 6 trials failed: trial 0 (does=raise): {raised}; trial 1 (does=die): {killed}" in output
    assert "Traceback" in (app.trial(0) / "trial.log").read_text()


@pytest.mark.walk
def test_resume_is_not_an_option_of_a_sweep(app):
    status, output = app.run("number=1,2", "+resume=somewhere")
    assert status == 1 and "resume=somewhere resumes a single run, but this is a sweep" in output
    assert not app.trial(0).exists()


@pytest.mark.walk
def test_results_of_another_source_do_not_count_even_while_their_folder_is_in_use(app):
    assert app.run("number=1")[0] == 0
    program = app.home / "app.py"
    program.write_text(program.read_text() + "\n# changed\n")
    with FileLock(app.trial(0) / ".lock"):
        for _ in range(2):
            status, output = app.run("number=1")
            assert status == 1 and "is in use by a run of another version of the lab" in output
    assert app.run("number=1")[0] == 0
    assert [number for number, _, _ in app.outcomes()] == [0, 0]
    assert len(app.processes(0)) == 1 and len(list(app.home.glob("sweep/0.*/processes"))) == 1


@pytest.mark.walk
def test_a_failed_trial_is_tried_again(app):
    status, output = app.run("does=once", "sweep.tries=2")
    assert status == 0, output
    assert [state for _, state, _ in app.outcomes()] == ["failed", "done"]
    assert len(app.processes(0)) == 2


@pytest.mark.walk
def test_on_failure_stop_starts_no_more_trials(app):
    status, output = app.run("does=raise,nothing", "sweep.on_failure=stop")
    assert status == 1
    assert app.outcomes() == [(0, "failed", "ValueError: no such thing")]
    assert "1 of 2 trials failed; 1 others did not finish" in output
    assert app.processes(1) == []


@pytest.mark.walk
@pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="needs two cores")
def test_parallel_trials_have_separate_cores(app):
    status, output = app.run("does=cores", "number=1,2", "hydra.launcher.parallel=2")
    assert status == 0, output
    first, second = ((app.trial(number) / "cores").read_text().split() for number in (0, 1))
    assert first and second and not set(first) & set(second)
    assert len(first) == len(second) == len(os.sched_getaffinity(0)) // 2


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ({"parallel": 0}, "hydra.launcher.parallel must be a whole number, 1 or more, got 0"),
        ({"cores": 0}, "hydra.launcher.cores must be a whole number, 1 or more or null, got 0"),
        ({"parallel": 999}, r"hydra.launcher.parallel=999 trials of 1 core need more than the \d+ available cores"),
    ],
)
def test_invalid_options(option, message):
    with pytest.raises(ConfigError, match=message):
        LocalPool(LocalOptions(**{"parallel": 1, "cores": None} | option))


@pytest.mark.walk
def test_a_running_sweep_cannot_be_started_again_and_its_trials_end_with_it(app):
    launcher = app.start("does=wait")
    until(lambda: app.processes(0))
    status, output = app.run("does=wait")
    assert status == 1 and "is running already: see battery-lab sweep status" in output
    launcher.kill()
    launcher.communicate()
    until(lambda: is_gone(app.processes(0)[0]))


@pytest.mark.walk
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_stops_trials_and_prints_how_to_resume(app, number):
    launcher = app.start("does=wait,nothing")
    until(lambda: app.processes(0))
    launcher.send_signal(number)
    output, _ = launcher.communicate(timeout=60)
    assert app.outcomes() == [(0, "stopped", None)]
    assert f"stopped by {number.name}; resume with: battery-lab sweep.resume=sweep" in output
    assert is_gone(app.processes(0)[0]) and app.processes(1) == []
