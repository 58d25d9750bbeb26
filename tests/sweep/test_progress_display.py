"""Progress display: the table of a sweep in a terminal, and one line per event elsewhere."""

from __future__ import annotations

import io
from types import SimpleNamespace

import pytest
from rich.console import Console

from battery_lab.sweep.journal import Entry, TrialState
from battery_lab.sweep.progress_display import (
    SweepDisplay,
    count_states,
    differing_choices,
    time_left,
    trial_table,
)
from battery_lab.sweep.trial_progress import TrialProgress


def entry(number, *choices, **fields):
    return Entry(number=number, identity=str(number), source="source", choices=choices, **fields)


def finished(number, *choices, seconds, **fields):
    return entry(number, *choices, started_at=0.0, finished_at=float(seconds), **fields)


def printed(table, width=200):
    console = Console(file=io.StringIO(), width=width, color_system=None)
    console.print(table)
    return console.file.getvalue()


def trial(record, progress=None, budget=100):
    reader = SimpleNamespace(read=lambda: progress or TrialProgress())
    return SimpleNamespace(entry=record, number=record.number, progress_reader=reader, budget=budget)


def test_only_differing_choices_are_shown():
    entries = [entry(0, "env=battery", "seed=0", "algo=ppo"), entry(1, "env=battery", "seed=1", "algo=ppo")]
    assert differing_choices(entries) == {0: "seed=0", 1: "seed=1"}
    assert differing_choices(entries[:1]) == {0: "env=battery seed=0 algo=ppo"}


@pytest.mark.parametrize(
    ("progress", "budget", "left"),
    [
        (TrialProgress(env_steps=50, steps_per_second=10.0), 100, 5.0),
        (TrialProgress(env_steps=120, steps_per_second=10.0), 100, 0.0),
        (TrialProgress(env_steps=50), 100, None),
        (TrialProgress(env_steps=50, steps_per_second=10.0), None, None),
        (TrialProgress(env_steps=50, steps_per_second=0.0), 100, None),
    ],
)
def test_time_left_follows_from_the_speed(progress, budget, left):
    assert time_left(progress, budget) == left


def test_table_shows_the_state_of_each_trial():
    running = TrialProgress(env_steps=25, capture=0.25, steps_per_second=5.0)
    rows = [
        (finished(0, "a=1", state=TrialState.DONE, result=0.5, seconds=65), TrialProgress(env_steps=100), 100),
        (entry(1, "a=2", state=TrialState.RUNNING, started_at=0.0), running, 100),
        (finished(2, "a=[x]", state=TrialState.FAILED, reason="[no] such file", seconds=1), TrialProgress(), 100),
        (entry(3, "a=4"), TrialProgress(), None),
        (finished(4, "a=5", state=TrialState.DONE, result=float("nan"), seconds=1), TrialProgress(), None),
    ]
    lines = [line.split() for line in printed(trial_table(rows)).splitlines()]
    assert lines[0] == ["trial", "overrides", "state", "progress", "capture", "time"]
    assert lines[1] == ["0", "a=1", "done", "100%", "0.500", "1:05"]
    assert lines[2] == ["1", "a=2", "running", "25%", "0.250", "0:15", "left"]
    assert lines[3] == ["2", "a=[x]", "failed", "0:01", "[no]", "such", "file"]
    assert lines[4:] == [["3", "a=4", "waiting"], ["4", "a=5", "done", "0:01"]]
    assert count_states([row[0] for row in rows]) == "1 waiting, 1 running, 2 done, 1 failed"


def test_outside_a_terminal_each_event_is_one_line():
    console = Console(file=io.StringIO(), color_system=None, width=40)
    with SweepDisplay(console, "folder") as display:
        done = finished(1, "a=[2]", "b=2", state=TrialState.DONE, result=0.5, seconds=9)
        trials = [
            trial(entry(0, "a=[1]", "b=2", state=TrialState.RUNNING)),
            trial(done, TrialProgress(env_steps=100)),
        ]
        for item in trials:
            display.report(item, trials)
        display.show(trials)
    expected = ["trial 0  a=[1]  running", "trial 1  a=[2]  done  100%  capture 0.500  0:09"]
    assert console.file.getvalue().splitlines() == expected


def test_live_table_hides_settled_trials_first():
    console = Console(file=io.StringIO(), force_terminal=True, width=100, color_system=None)
    settled = [trial(entry(n, f"a={n}", state=TrialState.DONE)) for n in range(40)]
    with SweepDisplay(console, "some/folder") as display:
        display.show([*settled, trial(entry(40, "a=40", state=TrialState.RUNNING))])
    output = console.file.getvalue()
    assert "some/folder: 1 running, 40 done" in output
    assert "a=40" in output and "a=39" in output and "a=5 " not in output
