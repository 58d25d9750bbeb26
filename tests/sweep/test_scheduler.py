"""The loop around a sweep: what is done is passed over, what was begun is gone on with, and nothing is lost."""

from __future__ import annotations

import json
import os
import signal
from collections import deque

import pytest
from filelock import FileLock

from battery_lab.sweep.interfaces import Outcome, Trial
from battery_lab.sweep.journal import Journal, State
from battery_lab.sweep.options import SweepOptions
from battery_lab.sweep.scheduler import FixedTrials, Scheduler

OPTIONS = {"resume": None, "tries": 1, "on_failure": "continue", "reuse": False, "dry_run": False}


class Silent:
    def show(self, trials):
        pass

    def report(self, trial, trials):
        assert trial in trials


class ScriptedPool:
    """Two places for trials, whose ends a test has written down: for each trial a list, a try an item."""

    def __init__(self, endings, between=None):  # noqa: D107
        self.endings = {number: deque(ends) for number, ends in endings.items()}
        self.began, self.now, self.stopped, self.between = [], {}, False, between
        self.opened = False

    def open(self):
        assert not self.opened
        self.opened = True

    @property
    def has_capacity(self):
        return len(self.now) < 2

    @property
    def is_busy(self):
        return bool(self.now)

    def start(self, number, folder, job):
        assert self.opened and number not in self.now
        self.began.append((number, job))
        self.now[number] = folder

    def wait(self, seconds):
        if self.between:
            self.between(self)
        for number in list(self.now):
            if self.stopped:
                end = {"state": State.STOPPED}
            elif self.endings[number]:
                end = self.endings[number].popleft()
            else:
                continue
            del self.now[number]
            yield Outcome(number=number, **end)

    def stop(self, number=None, by_signal=False):
        self.stopped = True

    def close(self):
        self.now.clear()


DONE, FAILED = {"state": State.DONE, "result": 0.5}, {"state": State.FAILED, "reason": "bad", "raised": True}
KILLED = {"state": State.FAILED, "reason": "killed by SIGKILL"}


def launched(folder, endings, count=3, between=None, source=FixedTrials, kind=ScriptedPool, **options):
    """Scheduler some trials; returns the pool and the journal as another process reads it."""
    journal = Journal(folder)
    journal.read()
    trials = []
    for number in range(count):
        entry = journal.find(str(number)) or journal.add_trial(str(number), "source", [f"seed={number}"])
        trials.append(Trial(entry=entry, folder=folder / str(entry.number), budget=100, job=lambda resume: resume))
    pool = kind(endings, between)
    launch = Scheduler(journal, source(trials), pool, SweepOptions(**OPTIONS | options), Silent())
    launch.run()
    again = Journal(folder)
    again.read()
    assert again.entries == journal.entries == {trial.number: trial.entry for trial in trials}
    pool.stopped_by = launch.stopped_by
    return pool, {number: entry.state for number, entry in again.entries.items()}


def checkpoint(folder, steps):
    path = folder / "checkpoints" / f"{steps:012d}"
    path.mkdir(parents=True)
    (path / "state.json").write_text("{}")


def test_every_trial_runs_once(tmp_path):
    pool, states = launched(tmp_path, {0: [DONE], 1: [DONE], 2: [DONE]})
    assert pool.began == [(0, None), (1, None), (2, None)]
    assert set(states.values()) == {State.DONE}


def test_what_is_done_is_passed_over_and_what_failed_runs_again(tmp_path):
    launched(tmp_path, {0: [DONE], 1: [FAILED], 2: [DONE]})
    for number in range(3):
        (tmp_path / str(number)).mkdir(exist_ok=True)
    pool, states = launched(tmp_path, {1: [DONE], 3: [DONE]}, count=4)
    assert [number for number, _ in pool.began] == [1, 3]
    assert set(states.values()) == {State.DONE}


def test_a_trial_whose_folder_is_gone_runs_again(tmp_path):
    launched(tmp_path, {0: [DONE]}, count=1)
    pool, _ = launched(tmp_path, {0: [DONE]}, count=1)
    assert pool.began == [(0, None)]


def test_a_trial_that_ended_when_the_sweep_was_killed_is_done(tmp_path):
    journal = Journal(tmp_path)
    journal.add_trial("0", "source", [])
    journal.record_start(0, tmp_path / "0", 100, 0)
    (tmp_path / "0").mkdir()
    (tmp_path / "0" / "metrics.json").write_text(json.dumps({"validation/capture": 0.25}))
    pool, states = launched(tmp_path, {}, count=1)
    assert pool.began == [] and states == {0: State.DONE}
    again = Journal(tmp_path)
    again.read()
    assert again.entries[0].result == 0.25


def test_what_was_running_goes_on_from_its_checkpoint(tmp_path):
    journal = Journal(tmp_path)
    journal.add_trial("0", "source", [])
    journal.record_start(0, tmp_path / "0", 100, 0)
    checkpoint(tmp_path / "0", 50)
    pool, _ = launched(tmp_path, {0: [DONE]}, count=1)
    assert pool.began == [(0, tmp_path / "0")]


def test_without_a_checkpoint_it_begins_anew_in_a_clean_folder(tmp_path):
    folder = tmp_path / "0"
    (folder / "policy").mkdir(parents=True)
    for name in ("curves.jsonl", "trial.log", "mlflow.json"):
        (folder / name).write_text("{}")
    pool, _ = launched(tmp_path, {0: [DONE]}, count=1)
    assert pool.began == [(0, None)]
    assert {path.name for path in folder.iterdir()} == {"trial.log", "mlflow.json"}


@pytest.mark.parametrize(("end", "resumed"), [(FAILED, False), (KILLED, True)])
def test_a_checkpoint_from_which_a_trial_fails_by_itself_is_tried_once(tmp_path, end, resumed):
    checkpoint(tmp_path / "0", 50)
    pool, _ = launched(tmp_path, {0: [end, DONE]}, count=1, tries=2)
    assert pool.began == [(0, tmp_path / "0"), (0, tmp_path / "0" if resumed else None)]


def test_tries_are_counted_and_a_lost_machine_is_none(tmp_path):
    pool, states = launched(
        tmp_path, {0: [FAILED, FAILED, DONE], 1: [KILLED | {"machine_lost": True}, FAILED, DONE]}, count=2, tries=2
    )
    assert [number for number, _ in pool.began].count(0) == 2
    assert [number for number, _ in pool.began].count(1) == 3
    assert states == {0: State.FAILED, 1: State.DONE}


def test_others_go_on_after_a_failure_or_stop_if_asked(tmp_path):
    _, states = launched(tmp_path / "on", {0: [FAILED], 1: [DONE], 2: [DONE]})
    assert states == {0: State.FAILED, 1: State.DONE, 2: State.DONE}
    pool, states = launched(tmp_path / "stop", {0: [FAILED], 1: []}, on_failure="stop")
    assert states == {0: State.FAILED, 1: State.STOPPED, 2: State.WAITING}
    assert [number for number, _ in pool.began] == [0, 1]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_stops_what_runs_and_begins_nothing(tmp_path, number):
    pool, states = launched(tmp_path, {0: [], 1: []}, between=lambda _: os.kill(os.getpid(), number))
    assert pool.stopped_by == number
    assert states == {0: State.STOPPED, 1: State.STOPPED, 2: State.WAITING}
    pool, states = launched(tmp_path, {0: [DONE], 1: [DONE], 2: [DONE]})
    assert set(states.values()) == {State.DONE}


class StoppedAtAStart(ScriptedPool):
    def start(self, number, folder, job):
        super().start(number, folder, job)
        os.kill(os.getpid(), signal.SIGINT)


class StoppedAtATrial(FixedTrials):
    def next_trials(self):
        os.kill(os.getpid(), signal.SIGINT)
        return super().next_trials()


@pytest.mark.parametrize(("amid", "began"), [({"kind": StoppedAtAStart}, [0]), ({"source": StoppedAtATrial}, [])])
def test_a_signal_may_come_amid_anything(tmp_path, amid, began):
    pool, states = launched(tmp_path, {0: [], 1: [], 2: []}, **amid)
    assert [number for number, _ in pool.began] == began and pool.stopped_by == signal.SIGINT
    assert states == {n: State.STOPPED if n in began else State.WAITING for n in range(3)}


def test_a_trial_that_had_its_figures_when_its_process_was_killed_is_done(tmp_path):
    def finish(pool):
        (tmp_path / "0").mkdir(exist_ok=True)
        (tmp_path / "0" / "metrics.json").write_text(json.dumps({"validation/capture": 0.25}))

    pool, states = launched(tmp_path, {0: [KILLED]}, count=1, between=finish, tries=2)
    assert [number for number, _ in pool.began] == [0]
    assert states == {0: State.DONE}


def test_a_wish_that_was_granted_is_not_granted_again(tmp_path):
    launched(tmp_path, {0: [FAILED]}, count=1)
    Journal(tmp_path).request_retry(0)
    (tmp_path / "0").mkdir()
    launched(tmp_path, {0: [DONE]}, count=1)
    pool, states = launched(tmp_path, {1: [DONE], 0: [FAILED]}, count=2)
    assert [number for number, _ in pool.began] == [1]
    assert states == {0: State.DONE, 1: State.DONE}


def test_what_a_try_left_that_failed_by_itself_is_kept_beside(tmp_path):
    checkpoint(tmp_path / "0", 50)
    (tmp_path / "0" / "curves.jsonl").write_text("{}")
    launched(tmp_path, {0: [FAILED, DONE]}, count=1, tries=2)
    kept = tmp_path / "0" / "earlier-0"
    assert (kept / "checkpoints" / f"{50:012d}" / "state.json").exists() and (kept / "curves.jsonl").exists()
    assert not (tmp_path / "0" / "checkpoints").exists()


def test_a_wish_from_another_shell_is_taken_up_while_the_sweep_goes_on(tmp_path):
    def wish(pool):
        other = Journal(tmp_path)
        other.read()
        if other.entries[0].state == State.FAILED and len(pool.began) == 2:
            other.request_retry(0)
            pool.endings[1].append(DONE)

    pool, states = launched(tmp_path, {0: [FAILED, DONE], 1: []}, count=2, between=wish)
    assert [number for number, _ in pool.began] == [0, 1, 0]
    assert states == {0: State.DONE, 1: State.DONE}


def test_a_folder_that_a_killed_sweep_left_running_is_waited_for(tmp_path):
    (tmp_path / "0").mkdir()
    (tmp_path / "0" / "curves.jsonl").write_text("")
    held = FileLock(tmp_path / "0" / ".lock")
    held.acquire()
    ticks = []

    def release(pool):
        ticks.append([number for number, _ in pool.began])
        assert (tmp_path / "0" / "curves.jsonl").exists() or len(ticks) > 2
        if len(ticks) == 2:
            held.release()

    pool, states = launched(tmp_path, {0: [DONE], 1: [DONE]}, count=2, between=release)
    assert [number for number, _ in pool.began] == [1, 0] and ticks[:2] == [[1], [1]]
    assert set(states.values()) == {State.DONE}
