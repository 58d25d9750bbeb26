"""Runs of an earlier version are resumed, repeated, evaluated and exported, with the figures of that version."""

from __future__ import annotations

import json
import tarfile

import pytest

from battery_lab.serving.artifact import GRAPH
from tests.cli.typed_commands import command, figures
from tests.stored_runs.build_archives import HERE, RESUMED

ALGOS = ("ppo", "dqn")
TIMES = {"train/seconds", "train/env_steps_per_second"}
# Metrics that the earlier version did not have.
MISSING = {f"{period}/{kind}_intervals" for period in ("train", "validation", "test") for kind in ("filled", "gap")}
ADDED = {"test/known"} | MISSING

pytestmark = pytest.mark.walk


def same(figures):
    """Return figures to compare with: processors of other makes may round the last digits differently."""
    return pytest.approx(figures, rel=1e-9, abs=1e-9)


def without(names, figures):
    return {key: value for key, value in figures.items() if key not in names}


@pytest.fixture
def run(monkeypatch, stored):
    """Run a command in the folder around the stored run."""

    def run_command(*arguments: str) -> None:
        message = command(monkeypatch, stored.parent, *arguments)
        assert message.status == 0, message.err

    return run_command


@pytest.fixture(scope="module", params=ALGOS)
def stored(request, tmp_path_factory):
    """The folder of a run that an earlier version stored, with its market beside it."""
    home = tmp_path_factory.mktemp(request.param)
    with tarfile.open(HERE / f"{request.param}.tar.xz") as archive:
        archive.extractall(home, filter="data")
    return home / request.param


def test_a_stored_run_is_evaluated_to_the_same_figures(run, stored):
    run("evaluate", f"run={stored.name}")
    (folder,) = (stored / "evaluations").iterdir()
    metrics = json.loads((folder / "metrics.json").read_text())
    expected = {key: value for key, value in figures(stored).items() if key in metrics}
    assert without(TIMES | ADDED, metrics) == same(expected)


def test_a_stored_run_is_exported(run, stored):
    run("export", f"run={stored.name}")
    assert (stored / "model" / GRAPH).is_file()


def test_a_stored_trial_is_repeated_to_the_same_figures(run, stored):
    run(f"rerun={stored.name}")
    (folder,) = (stored.parent / "outputs" / "runs").iterdir()
    assert without(ADDED, figures(folder)) == same(figures(stored))
    assert "battery_lab.battery." not in (folder / "trial.yaml").read_text()


def test_a_stored_run_is_resumed_to_the_same_figures(run, stored):
    run(f"resume={stored.name}", RESUMED)
    expected = json.loads((stored.parent / f"{stored.name}_resumed.json").read_text())
    assert without(ADDED, figures(stored)) == same(without(TIMES, expected))
