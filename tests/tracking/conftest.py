"""Stores for the tests of tracking. MLflow takes 5 s to create one, so one is created and copied."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from battery_lab.tracking.mlflow_connection import Address, connect

ROOT = Path(__file__).parents[2]
ONE_RUN = """
import sys
from pathlib import Path
from battery_lab.tracking import RunLog
from tests.tracking.tracked_runs_and_stores import tracker
folder = Path(sys.argv[1])
log = RunLog(folder)
tracking = tracker(folder.parent, experiment="raced", flush_every_s=0.01).start(folder, folder.name, {"seed": 0})
for step in range(5):
    log.log({"train/reward": float(step)}, step)
tracking.finish("FINISHED")
"""


@pytest.fixture(scope="session")
def raced_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return an outputs folder whose store two runs in two processes created at the same time."""
    outputs = tmp_path_factory.mktemp("raced")
    command = [sys.executable, "-c", ONE_RUN]
    started = [
        subprocess.Popen([*command, str(outputs / name)], cwd=ROOT, stderr=subprocess.PIPE, text=True)
        for name in ("first", "second")
    ]
    errors = [process.communicate(timeout=120)[1] for process in started]
    assert [process.returncode for process in started] == [0, 0], errors
    assert errors == ["", ""]
    return outputs


@pytest.fixture(scope="session")
def store(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Path:
    """Return the file of an empty store, which the processes of a parallel run share."""
    base = tmp_path_factory.getbasetemp()
    folder = (base if worker_id == "master" else base.parent) / "store"
    connect(Address(f"sqlite:///{folder}/mlflow.db", "other", str(folder)))
    return folder / "mlflow.db"


@pytest.fixture
def outputs(store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return an outputs folder in the working directory, whose store has no experiment ``battery_lab`` yet."""
    folder = tmp_path / "outputs"
    folder.mkdir()
    shutil.copy(store, folder)
    monkeypatch.chdir(tmp_path)
    return folder
