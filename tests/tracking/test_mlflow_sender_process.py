"""MLflow sender process: a run arrives in the store from a process of its own, also if one of the two is killed."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from battery_lab.cli.commands import sync
from battery_lab.tracking import RunLog
from battery_lab.tracking.mlflow_sync_state import read_sync_state
from tests.tracking.tracked_runs_and_stores import Run, points, stored, tracker

ROOT = Path(__file__).parents[2]
KILLED = """
import os, signal, sys
from pathlib import Path
from tests.tracking.test_mlflow_sender_process import started, wait_until_known
folder = Path(sys.argv[1])
started(folder)
wait_until_known(folder)
os.kill(os.getpid(), signal.SIGKILL)
"""


def started(folder):
    log = RunLog(folder)
    tracking = tracker(folder.parent).start(folder, "my run", {"algo": {"lr": 1e-3}})
    log.log({"train/reward": 3.0}, 7)
    log.close()
    return tracking


def wait_until_known(folder):
    end = time.monotonic() + 60
    while not any(store.get("run_id") for store in read_sync_state(folder)["stores"].values()):
        assert time.monotonic() < end
        time.sleep(0.05)


def test_a_run_is_in_the_store_from_its_start_and_complete_at_its_end(outputs: Path) -> None:
    tracking = started(outputs / "run")
    wait_until_known(outputs / "run")
    assert stored(outputs / "run").info.status == "RUNNING"
    tracking.finish("FINISHED")
    run = stored(outputs / "run")
    assert (run.info.status, run.info.run_name, run.data.params["algo.lr"]) == ("FINISHED", "my run", "0.001")
    assert points(outputs / "run")["train/reward"] == [(7, 3.0)]


@pytest.mark.walk
def test_a_killed_run_ends_the_process_and_can_be_sent_later(outputs: Path) -> None:
    run = Run(outputs / "run", tracker(outputs))
    run.store_trial()
    # The process inherits the pipe, which therefore ends when both have ended.
    subprocess.run([sys.executable, "-c", KILLED, str(run.folder)], cwd=ROOT, capture_output=True, timeout=120)
    assert stored(run.folder).info.status == "RUNNING"
    sync.main([f"run={run.folder}"])
    assert stored(run.folder).info.status == "KILLED"
    assert points(run.folder)["train/reward"] == [(7, 3.0)]


def test_a_process_that_was_killed_is_reported(outputs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tracking = started(outputs / "run")
    for child in psutil.Process().children():
        if "battery_lab.tracking.mlflow_sender_process" in child.cmdline():
            child.kill()
    tracking.finish("FINISHED")
    error = capsys.readouterr().err
    assert "ended with status -9" in error
    assert f"battery-lab sync run={outputs / 'run'}" in error
