"""What a person sees of a sweep."""

from __future__ import annotations

import io
from types import SimpleNamespace

import pytest
from rich.console import Console

from battery_lab.sweep.journal import Entry, State
from battery_lab.sweep.progress_table import SweepDisplay, counted, rendered, time_left, varied
from battery_lab.sweep.trial_folder import Progress


def entry(number, *choices, **facts):
    return Entry(number=number, identity=str(number), source="source", choices=choices, **facts)


def printed(table, width=200):
    console = Console(file=io.StringIO(), width=width, color_system=None)
    console.print(table)
    return console.file.getvalue()


def watched(one, progress=None, budget=100):
    watch = SimpleNamespace(look=lambda: progress or Progress())
    return SimpleNamespace(entry=one, number=one.number, watch=watch, budget=budget)


def test_only_choices_in_which_trials_differ_are_shown():
    entries = [entry(0, "env=battery", "seed=0", "algo=ppo"), entry(1, "env=battery", "seed=1", "algo=ppo")]
    assert varied(entries) == {0: "seed=0", 1: "seed=1"}
    assert varied(entries[:1]) == {0: "env=battery seed=0 algo=ppo"}


@pytest.mark.parametrize(
    ("progress", "budget", "left"),
    [
        (Progress(env_steps=50, rate=10.0), 100, 5.0),
        (Progress(env_steps=120, rate=10.0), 100, 0.0),
        (Progress(env_steps=50), 100, None),
        (Progress(env_steps=50, rate=10.0), None, None),
        (Progress(env_steps=50, rate=0.0), 100, None),
    ],
)
def test_time_left_goes_by_the_pace(progress, budget, left):
    assert time_left(progress, budget) == left


def test_a_table_says_what_each_trial_is_at():
    rows = [
        (entry(0, "a=1", state=State.DONE, result=0.5, started_at=0.0, finished_at=65.0), Progress(env_steps=100), 100),
        (entry(1, "a=2", state=State.RUNNING, started_at=0.0), Progress(env_steps=25, capture=0.25, rate=5.0), 100),
        (
            entry(2, "a=[x]", state=State.FAILED, reason="[no] such file", started_at=0.0, finished_at=1.0),
            Progress(),
            100,
        ),
        (entry(3, "a=4"), Progress(), None),
        (entry(4, "a=5", state=State.DONE, result=float("nan"), started_at=0.0, finished_at=1.0), Progress(), None),
    ]
    lines = [line.split() for line in printed(rendered(rows)).splitlines()]
    assert lines[0] == ["trial", "choices", "state", "progress", "capture", "time"]
    assert lines[1] == ["0", "a=1", "done", "100%", "0.500", "1:05"]
    assert lines[2] == ["1", "a=2", "running", "25%", "0.250", "0:15", "left"]
    assert lines[3] == ["2", "a=[x]", "failed", "0:01", "[no]", "such", "file"]
    assert lines[4:] == [["3", "a=4", "waiting"], ["4", "a=5", "done", "0:01"]]
    assert counted([row[0] for row in rows]) == "1 waiting, 1 running, 2 done, 1 failed"


def test_elsewhere_than_at_a_terminal_each_event_is_a_line():
    console = Console(file=io.StringIO(), color_system=None, width=40)
    with SweepDisplay(console, "folder") as display:
        trials = [
            watched(entry(0, "a=[1]", "b=2", state=State.RUNNING)),
            watched(
                entry(1, "a=[2]", "b=2", state=State.DONE, result=0.5, started_at=0.0, finished_at=9.0),
                Progress(env_steps=100),
            ),
        ]
        for trial in trials:
            display.report(trial, trials)
        display.show(trials)
    wanted = ["trial 0  a=[1]  running", "trial 1  a=[2]  done  100%  capture 0.500  0:09"]
    assert console.file.getvalue().splitlines() == wanted


def test_at_a_terminal_a_table_lives_and_shows_what_is_not_settled_first():
    console = Console(file=io.StringIO(), force_terminal=True, width=100, color_system=None)
    settled = [watched(entry(n, f"a={n}", state=State.DONE)) for n in range(40)]
    with SweepDisplay(console, "some/folder") as display:
        display.show([*settled, watched(entry(40, "a=40", state=State.RUNNING))])
    said = console.file.getvalue()
    assert "some/folder: 1 running, 40 done" in said
    assert "a=40" in said and "a=39" in said and "a=5 " not in said
