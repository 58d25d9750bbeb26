"""MLflow stores that fail: unreachable, hanging, or without the experiment."""

from __future__ import annotations

import socket
import time
from pathlib import Path

import pytest

from battery_lab.tracking.mlflow_sender_thread import reason
from battery_lab.tracking.mlflow_sync_state import read_sync_state
from tests.tracking.tracked_runs_and_stores import Run, client, tracker


def test_unreachable_store_is_reported_once_and_stops_nothing(outputs: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (outputs / "file").touch()
    run = Run(outputs / "run", tracker(outputs, uri=f"sqlite:///{outputs}/file/mlflow.db", flush_every_s=0.01))
    tracking = run.train(range(20))
    time.sleep(0.2)
    tracking.finish("FINISHED")
    output = capfd.readouterr()
    assert output.out == ""
    (line,) = output.err.splitlines()
    assert f"battery-lab sync run={run.folder}" in line
    assert len((run.folder / "curves.jsonl").read_text().splitlines()) == 20


def test_hanging_store_delays_neither_training_nor_its_end(outputs: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        uri = f"http://127.0.0.1:{server.getsockname()[1]}"
        run = Run(outputs / "run", tracker(outputs, uri=uri, flush_every_s=0.01, finish_within_s=0.3))
        started = time.monotonic()
        tracking = run.train(range(200))
        server.settimeout(30)
        connection, _ = server.accept()
        tracking.log({}, 0)
        trained = time.monotonic() - started
        tracking.finish("FINISHED")
        ended = time.monotonic() - started - trained
        connection.close()
    assert trained < 5
    assert 0.2 < ended < 2
    (line,) = capfd.readouterr().err.splitlines()
    assert "0.3 s" in line
    assert read_sync_state(run.folder)["status"] == "FINISHED"


def test_deleted_experiment_is_reported(outputs: Path, capfd: pytest.CaptureFixture[str]) -> None:
    store = client(outputs)
    store.delete_experiment(store.create_experiment("gone"))
    run = Run(outputs / "run", tracker(outputs, experiment="gone"))
    run.train(range(2)).finish("FINISHED")
    assert "experiment gone was deleted" in capfd.readouterr().err


def test_failure_reason_is_one_short_line_without_the_password() -> None:
    uri = "postgresql://me:secret@host/lab"
    error = OSError(f"cannot connect to {uri} as me:secret, password secret refused" + "x" * 300 + "\nmore")
    output = reason(error, uri)
    assert output.startswith("cannot connect to *** as ***, password *** refused")
    assert len(output) == 200
    assert "\n" not in output
