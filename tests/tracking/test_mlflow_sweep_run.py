"""Sweep run: one MLflow run per sweep, parent of the runs of its trials."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest

from battery_lab.common.run_folder import SWEEP_COMMAND
from battery_lab.tracking.mlflow_sweep_run import KEY, PARENT
from tests.tracking.tracked_runs_and_stores import Run, client, tracker

DONE = {"validation/capture": 0.5, "train/env_steps": 2.0}


def swept(outputs: Path, *names: str, **choices: Any) -> list[Run]:
    """Run folders in the folder of a sweep."""
    sweep = outputs / "sweep"
    sweep.mkdir(exist_ok=True)
    (sweep / SWEEP_COMMAND).touch()
    return [Run(sweep / name, tracker(outputs, **choices)) for name in names]


def runs(outputs: Path) -> tuple[list[Any], list[Any]]:
    """Return the runs of sweeps, and those of trials of sweeps."""
    store = client(outputs)
    found = store.search_runs([one.experiment_id for one in store.search_experiments()])
    parents = [run for run in found if run.data.tags.get("battery_lab.kind") == "sweep"]
    return parents, [run for run in found if PARENT in run.data.tags]


def test_trial_runs_are_children_of_the_sweep_run(outputs: Path) -> None:
    first, second = swept(outputs, "0", "1")
    for run in (first, second):
        tracking = run.train(range(3))
        run.evaluate(**DONE)
        tracking.finish("FINISHED")
    first.tracking.end_sweep(outputs / "sweep", {}, "FINISHED", {"sweep/trials": 2.0})
    (parent,), children = runs(outputs)
    assert {child.data.tags[PARENT] for child in children} == {parent.info.run_id}
    assert {child.info.run_name for child in children} == {"0", "1"}
    assert (parent.info.run_name, parent.info.status, parent.data.metrics) == (
        "sweep",
        "FINISHED",
        {"sweep/trials": 2.0},
    )


def test_continued_sweep_keeps_its_run(outputs: Path) -> None:
    (run,) = swept(outputs, "0")
    run.train(range(3)).finish("KILLED")
    run.tracking.end_sweep(outputs / "sweep", {}, "KILLED", {"sweep/done": 0.0})
    tracking = run.train(range(3, 5), resume_at=2)
    run.evaluate(**DONE)
    tracking.finish("FINISHED")
    run.tracking.end_sweep(outputs / "sweep", {run.folder: run.config}, "FINISHED", {"sweep/done": 1.0})
    (parent,), (child,) = runs(outputs)
    assert (parent.info.status, parent.data.metrics["sweep/done"]) == ("FINISHED", 1.0)
    assert (child.info.status, child.data.tags[PARENT]) == ("FINISHED", parent.info.run_id)


def test_end_of_a_sweep_sends_what_a_killed_trial_could_not(outputs: Path) -> None:
    sent, unsent = swept(outputs, "0", "1")
    tracking = sent.train(range(3))
    sent.evaluate(**DONE)
    tracking.finish("FINISHED")
    unsent.train(range(3))  # nothing is sent within the first minute
    unsent.evaluate(**DONE | {"validation/capture": 0.75})
    done = {run.folder: run.config for run in (sent, unsent)}
    sent.tracking.end_sweep(outputs / "sweep", done, "FINISHED", {})
    (parent,), children = runs(outputs)
    captures = {child.info.run_name: child.data.metrics["validation/capture"] for child in children}
    assert captures == {"0": 0.5, "1": 0.75}
    assert {child.info.status for child in children} == {"FINISHED"}


def test_trials_that_start_at_once_create_one_sweep_run(outputs: Path) -> None:
    made = swept(outputs, *map(str, range(4)))
    threads = [threading.Thread(target=lambda run=run: run.train(range(2)).finish("FINISHED")) for run in made]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    (parent,), children = runs(outputs)
    assert len(children) == 4 and {child.data.tags[PARENT] for child in children} == {parent.info.run_id}
    assert len({child.data.tags[KEY] for child in children}) == 4


def test_unreachable_store_at_the_end_of_a_sweep_is_reported(outputs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sweep = outputs / "sweep"
    sweep.mkdir()
    tracker(outputs, uri="http://127.0.0.1:9").end_sweep(sweep, {}, "FINISHED", {})
    output = capsys.readouterr().err
    assert "does not hold the whole sweep" in output and "the same command sends the rest" in output


def test_run_without_sweep_has_no_parent(outputs: Path) -> None:
    Run(outputs / "run", tracker(outputs)).train(range(3)).finish("FINISHED")
    assert runs(outputs) == ([], [])
