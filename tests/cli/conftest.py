"""Fixtures: run commands in this process, and a run that a command made."""

from __future__ import annotations

from functools import partial
from types import SimpleNamespace

import pytest
from hydra_plugins.battery_lab_launchers import _local_pool

from battery_lab.experiment.experiment import Experiment
from tests.cli.in_process_pool import InThisProcess
from tests.cli.typed_commands import command, tiny


@pytest.fixture
def lab(monkeypatch, tmp_path):
    """Run `battery-lab` with some arguments, from an empty folder."""
    monkeypatch.delenv("HYDRA_FULL_ERROR", raising=False)
    return partial(command, monkeypatch, tmp_path)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A run made by the command itself."""
    home = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("ray.tune.trainable.trainable.DEFAULT_STORAGE_PATH", str(home / "ray_results"))
        output = command(patch, home, *tiny(home))
    (folder,) = (home / "outputs" / "runs").iterdir()
    return SimpleNamespace(home=home, folder=folder, status=output.status, out=output.out, err=output.err)


@pytest.fixture
def sweep(lab, monkeypatch):
    """Run a sweep whose trials train nothing; returns what was output and the experiments."""
    monkeypatch.setattr(_local_pool, "LocalPool", InThisProcess)
    taken: list[Experiment] = []
    monkeypatch.setattr(Experiment, "run", lambda self, folder, **_: taken.append(self) or {"validation/capture": 0.0})
    return lambda *arguments: (lab(*arguments, "tracking=none"), taken)
