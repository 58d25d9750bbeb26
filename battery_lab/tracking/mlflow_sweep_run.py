"""Sweep run: the MLflow run of a sweep, parent of the runs of its trials."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from filelock import FileLock

from battery_lab.common.run_folder import SWEEP_COMMAND, RunFolder
from battery_lab.tracking.mlflow_connection import LOCK_S, Address, connect
from battery_lab.tracking.mlflow_sync_state import read_sync_state, write_sync_state

KEY, PARENT = "battery_lab.run", "mlflow.parentRunId"
DEEPEST = 4  # the most levels between the folder of a sweep and the folder of a trial


def sweep_of(folder: Path) -> Path | None:
    """Return the folder of the sweep that contains a run folder; None if there is none."""
    above = list(folder.resolve().parents)[:DEEPEST]
    return next((place for place in above if (place / SWEEP_COMMAND).is_file()), None)


def sweep_run(client: Any, experiment: str, sweep: Path) -> str:
    """Return the identifier of a sweep's run. The first trial creates it.

    Args:
        client: an MlflowClient.
        experiment: identifier of the experiment.
        sweep: folder of the sweep.
    """
    with FileLock(RunFolder(sweep).sync_lock, timeout=LOCK_S):
        # The key is stored before the run exists, so that a kill between the two leaves no run without its key.
        state = read_sync_state(sweep)
        write_sync_state(sweep, state)
        runs = client.search_runs([experiment], f"tags.`{KEY}` = '{state['key']}'", max_results=1)
        if runs:
            return str(runs[0].info.run_id)
        tags = {KEY: state["key"], "battery_lab.folder": str(sweep.resolve()), "battery_lab.kind": "sweep"}
        run = client.create_run(experiment, int(time.time() * 1000), tags=tags, run_name=sweep.name)
        return str(run.info.run_id)


def finish_sweep_run(address: Address, sweep: Path, status: str, figures: Mapping[str, float]) -> None:
    """Send the metrics of a sweep as a whole, and end its run."""
    client, experiment = connect(address)
    run = sweep_run(client, experiment, sweep)
    for name, value in figures.items():
        client.log_metric(run, name, value)
    client.set_terminated(run, status)
