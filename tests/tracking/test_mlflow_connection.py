"""MLflow connection: one store where two processes create it, and a new one where a kill left it unfinished."""

from __future__ import annotations

from pathlib import Path

import pytest

from battery_lab.common.atomic_write import PREFIX
from battery_lab.tracking.mlflow_connection import Address, connect
from tests.tracking.tracked_runs_and_stores import points, stored


@pytest.mark.walk
def test_two_processes_create_one_store_at_the_same_time(raced_store: Path) -> None:
    assert {stored(raced_store / name).info.run_name for name in ("first", "second")} == {"first", "second"}
    assert len({stored(raced_store / name).info.experiment_id for name in ("first", "second")}) == 1
    for name in ("first", "second"):
        assert points(raced_store / name) == {"train/reward": [(step, float(step)) for step in range(5)]}


def test_store_that_a_killed_process_left_unfinished_is_made_again(tmp_path: Path) -> None:
    path = tmp_path / "store" / "mlflow.db"
    address = Address(f"sqlite:///{path}", "trials", f"file://{tmp_path}/files")
    path.parent.mkdir()
    # A kill during the migrations leaves a store without its last tables, under the temporary name.
    (path.parent / f"{PREFIX}0123-mlflow.db").write_bytes(b"half")
    store, experiment = connect(address)
    assert store.get_experiment(experiment).name == "trials"
    assert {file.name for file in path.parent.iterdir()} == {"mlflow.db", "mlflow.db.lock"}
