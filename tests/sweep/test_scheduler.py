"""The scheduler skips trials that are done, resumes those with a checkpoint, and retries failures."""

from __future__ import annotations

import json
import os
import signal
from collections import deque

import pytest
from filelock import FileLock

from battery_lab.sweep.interfaces import Outcome, Trial
from battery_lab.sweep.journal import Journal, TrialState
from battery_lab.sweep.scheduler import FixedTrials, Scheduler
from battery_lab.sweep.sweep_control_options import SweepOptions

OPTIONS = {"resume": None, "tries": 1, "on_failure": "continue", "reuse": False, "dry_run": False}
DONE, RAISED = {"state": TrialState.DONE, "result": 0.5}, {"state": TrialState.FAILED, "reason": "bad", "raised": True}
KILLED = {"state": TrialState.FAILED, "reason": "killed by SIGKILL"}


class NoDisplay:
    def show(self, trials):
        pass

    def report(self, trial, trials):
        assert trial in trials


class ScriptedPool:
    """A pool of two places. A test scripts the outcomes: for each trial a list with one item per attempt.

    ``on_wait(pool)`` is called on each wait.
    """

    def __init__(self, outcomes, on_wait=None):
        self.outcomes = {number: deque(items) for number, items in outcomes.items()}
        self.starts, self.running, self.stopped, self.on_wait = [], set(), False, on_wait
        self.opened = False

    def open(self):
        assert not self.opened
        self.opened = True

    @property
    def has_capacity(self):
        return len(self.running) < 2

    @property
    def is_busy(self):
        return bool(self.running)

    @property
    def started(self):
        return [number for number, _ in self.starts]

    def start(self, number, folder, job):
        assert self.opened and number not in self.running
        self.starts.append((number, job))
        self.running.add(number)

    def wait(self, seconds):
        if self.on_wait:
            self.on_wait(self)
        for number in sorted(self.running):
            if self.stopped:
                outcome = {"state": TrialState.STOPPED}
            elif self.outcomes[number]:
                outcome = self.outcomes[number].popleft()
            else:
                continue
            self.running.remove(number)
            yield Outcome(number=number, **outcome)

    def stop(self, number=None, by_signal=False):
        self.stopped = True

    def close(self):
        self.running.clear()


def launch(folder, outcomes, count=3, on_wait=None, source=FixedTrials, kind=ScriptedPool, **options):
    """Launch trials with a scripted pool; return the pool and the states in the journal as another process reads it.

    The job of a trial is the folder that it resumes from, or None.
    """
    journal = Journal(folder)
    journal.read()
    trials = []
    for number in range(count):
        entry = journal.find(str(number)) or journal.add_trial(str(number), "source", [f"seed={number}"])
        trials.append(Trial(entry=entry, folder=folder / str(entry.number), budget=100, job=lambda resume: resume))
    pool = kind(outcomes, on_wait)
    scheduler = Scheduler(journal, source(trials), pool, SweepOptions(**OPTIONS | options), NoDisplay())
    scheduler.run()
    stored = Journal(folder)
    stored.read()
    assert stored.entries == journal.entries == {trial.number: trial.entry for trial in trials}
    pool.stopped_by = scheduler.stopped_by
    return pool, {number: entry.state for number, entry in stored.entries.items()}


def write_checkpoint(folder, steps):
    path = folder / "checkpoints" / f"{steps:012d}"
    path.mkdir(parents=True)
    (path / "state.json").write_text("{}")


def write_metrics(folder, capture):
    folder.mkdir(exist_ok=True)
    (folder / "metrics.json").write_text(json.dumps({"validation/capture": capture}))


def test_every_trial_runs_once(tmp_path):
    pool, states = launch(tmp_path, {0: [DONE], 1: [DONE], 2: [DONE]})
    assert pool.starts == [(0, None), (1, None), (2, None)]
    assert set(states.values()) == {TrialState.DONE}


def test_next_launch_skips_done_trials_and_runs_failed_ones(tmp_path):
    launch(tmp_path, {0: [DONE], 1: [RAISED], 2: [DONE]})
    for number in range(3):
        (tmp_path / str(number)).mkdir(exist_ok=True)
    pool, states = launch(tmp_path, {1: [DONE], 3: [DONE]}, count=4)
    assert pool.started == [1, 3]
    assert set(states.values()) == {TrialState.DONE}


def test_a_done_trial_without_its_folder_runs_again(tmp_path):
    launch(tmp_path, {0: [DONE]}, count=1)
    pool, _ = launch(tmp_path, {0: [DONE]}, count=1)
    assert pool.starts == [(0, None)]


def test_a_trial_with_metrics_is_done_even_if_its_sweep_was_killed(tmp_path):
    journal = Journal(tmp_path)
    journal.add_trial("0", "source", [])
    journal.record_start(0, tmp_path / "0", 100, 0)
    write_metrics(tmp_path / "0", 0.25)
    pool, states = launch(tmp_path, {}, count=1)
    assert pool.starts == [] and states == {0: TrialState.DONE}
    stored = Journal(tmp_path)
    stored.read()
    assert stored.entries[0].result == 0.25


def test_an_interrupted_trial_resumes_from_its_checkpoint(tmp_path):
    journal = Journal(tmp_path)
    journal.add_trial("0", "source", [])
    journal.record_start(0, tmp_path / "0", 100, 0)
    write_checkpoint(tmp_path / "0", 50)
    pool, _ = launch(tmp_path, {0: [DONE]}, count=1)
    assert pool.starts == [(0, tmp_path / "0")]


def test_a_trial_without_a_checkpoint_starts_over_in_a_clean_folder(tmp_path):
    folder = tmp_path / "0"
    (folder / "policy").mkdir(parents=True)
    for name in ("curves.jsonl", "trial.log", "mlflow.json"):
        (folder / name).write_text("{}")
    pool, _ = launch(tmp_path, {0: [DONE]}, count=1)
    assert pool.starts == [(0, None)]
    assert {path.name for path in folder.iterdir()} == {"trial.log", "mlflow.json"}


@pytest.mark.parametrize(("outcome", "resumes"), [(RAISED, False), (KILLED, True)])
def test_a_checkpoint_from_which_a_trial_raised_is_not_used_again(tmp_path, outcome, resumes):
    write_checkpoint(tmp_path / "0", 50)
    pool, _ = launch(tmp_path, {0: [outcome, DONE]}, count=1, tries=2)
    assert pool.starts == [(0, tmp_path / "0"), (0, tmp_path / "0" if resumes else None)]


def test_starting_over_keeps_the_files_of_the_failed_attempt(tmp_path):
    write_checkpoint(tmp_path / "0", 50)
    (tmp_path / "0" / "curves.jsonl").write_text("{}")
    launch(tmp_path, {0: [RAISED, DONE]}, count=1, tries=2)
    kept = tmp_path / "0" / "earlier-0"
    assert (kept / "checkpoints" / f"{50:012d}" / "state.json").exists() and (kept / "curves.jsonl").exists()
    assert not (tmp_path / "0" / "checkpoints").exists()


def test_a_lost_machine_does_not_count_as_a_try(tmp_path):
    lost = KILLED | {"machine_lost": True}
    pool, states = launch(tmp_path, {0: [RAISED, RAISED, DONE], 1: [lost, RAISED, DONE]}, count=2, tries=2)
    assert pool.started.count(0) == 2
    assert pool.started.count(1) == 3
    assert states == {0: TrialState.FAILED, 1: TrialState.DONE}


def test_on_failure_decides_whether_other_trials_continue(tmp_path):
    _, states = launch(tmp_path / "continue", {0: [RAISED], 1: [DONE], 2: [DONE]})
    assert states == {0: TrialState.FAILED, 1: TrialState.DONE, 2: TrialState.DONE}
    pool, states = launch(tmp_path / "stop", {0: [RAISED], 1: []}, on_failure="stop")
    assert states == {0: TrialState.FAILED, 1: TrialState.STOPPED, 2: TrialState.WAITING}
    assert pool.started == [0, 1]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_stops_running_trials_and_starts_no_more(tmp_path, number):
    pool, states = launch(tmp_path, {0: [], 1: []}, on_wait=lambda _: os.kill(os.getpid(), number))
    assert pool.stopped_by == number
    assert states == {0: TrialState.STOPPED, 1: TrialState.STOPPED, 2: TrialState.WAITING}
    pool, states = launch(tmp_path, {0: [DONE], 1: [DONE], 2: [DONE]})
    assert set(states.values()) == {TrialState.DONE}


class SignalAtStart(ScriptedPool):
    def start(self, number, folder, job):
        super().start(number, folder, job)
        os.kill(os.getpid(), signal.SIGINT)


class SignalAtNextTrials(FixedTrials):
    def next_trials(self):
        os.kill(os.getpid(), signal.SIGINT)
        return super().next_trials()


@pytest.mark.parametrize(("during", "started"), [({"kind": SignalAtStart}, [0]), ({"source": SignalAtNextTrials}, [])])
def test_a_signal_may_arrive_at_any_time(tmp_path, during, started):
    pool, states = launch(tmp_path, {0: [], 1: [], 2: []}, **during)
    assert pool.started == started and pool.stopped_by == signal.SIGINT
    assert states == {n: TrialState.STOPPED if n in started else TrialState.WAITING for n in range(3)}


def test_a_trial_killed_after_it_wrote_its_metrics_is_done(tmp_path):
    pool, states = launch(
        tmp_path, {0: [KILLED]}, count=1, on_wait=lambda _: write_metrics(tmp_path / "0", 0.25), tries=2
    )
    assert pool.started == [0]
    assert states == {0: TrialState.DONE}


def test_a_retry_request_is_fulfilled_once(tmp_path):
    launch(tmp_path, {0: [RAISED]}, count=1)
    Journal(tmp_path).request_retry(0)
    (tmp_path / "0").mkdir()
    launch(tmp_path, {0: [DONE]}, count=1)
    pool, states = launch(tmp_path, {1: [DONE], 0: [RAISED]}, count=2)
    assert pool.started == [1]
    assert states == {0: TrialState.DONE, 1: TrialState.DONE}


def test_a_running_sweep_fulfills_retry_requests_of_another_process(tmp_path):
    def request(pool):
        other = Journal(tmp_path)
        other.read()
        if other.entries[0].state == TrialState.FAILED and len(pool.starts) == 2:
            other.request_retry(0)
            pool.outcomes[1].append(DONE)

    pool, states = launch(tmp_path, {0: [RAISED, DONE], 1: []}, count=2, on_wait=request)
    assert pool.started == [0, 1, 0]
    assert states == {0: TrialState.DONE, 1: TrialState.DONE}


def test_a_trial_waits_until_its_folder_is_unlocked(tmp_path):
    (tmp_path / "0").mkdir()
    (tmp_path / "0" / "curves.jsonl").write_text("")
    lock = FileLock(tmp_path / "0" / ".lock")
    lock.acquire()
    ticks = []

    def release(pool):
        ticks.append(pool.started)
        assert (tmp_path / "0" / "curves.jsonl").exists() or len(ticks) > 2
        if len(ticks) == 2:
            lock.release()

    pool, states = launch(tmp_path, {0: [DONE], 1: [DONE]}, count=2, on_wait=release)
    assert pool.started == [1, 0] and ticks[:2] == [[1], [1]]
    assert set(states.values()) == {TrialState.DONE}
