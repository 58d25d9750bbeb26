"""The run of a sweep in a store of trials, under which those of its trials stand."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from filelock import FileLock

from battery_lab.common.run_folder import RunFolder
from battery_lab.tracking.mlflow_client import LOCK_S, Address, connect
from battery_lab.tracking.sync_state import read_receipt, write_receipt

KEY, PARENT = "battery_lab.run", "mlflow.parentRunId"
COMMAND = "sweep.json"  # by which the folder of a sweep is known
DEEPEST = 4  # folders between a trial's and its sweep's, at most


def sweep_of(folder: Path) -> Path | None:
    """Return the folder of the sweep that a run folder lies in; None if it lies in none."""
    above = list(folder.resolve().parents)[:DEEPEST]
    return next((place for place in above if (place / COMMAND).is_file()), None)


def sweep_run(client: Any, experiment: str, sweep: Path) -> str:
    """Return the identifier of a sweep's run, made if there is none; whichever trial comes first makes it.

    Args:
        client: MLflow's.
        experiment: identifier of the experiment.
        sweep: folder of the sweep.
    """
    with FileLock(RunFolder(sweep).sync_lock, timeout=LOCK_S):
        # Noted before the run exists, so that a kill between the two leaves none that nobody finds again.
        receipt = read_receipt(sweep)
        write_receipt(sweep, receipt)
        found = client.search_runs([experiment], f"tags.`{KEY}` = '{receipt['key']}'", max_results=1)
        if found:
            return str(found[0].info.run_id)
        tags = {KEY: receipt["key"], "battery_lab.folder": str(sweep.resolve()), "battery_lab.kind": "sweep"}
        run = client.create_run(experiment, int(time.time() * 1000), tags=tags, run_name=sweep.name)
        return str(run.info.run_id)


def end_sweep_run(address: Address, sweep: Path, status: str, figures: Mapping[str, float]) -> None:
    """Send what came out of a sweep as a whole, and end its run."""
    client, experiment = connect(address)
    run = sweep_run(client, experiment, sweep)
    for name, value in figures.items():
        client.log_metric(run, name, value)
    client.set_terminated(run, status)
