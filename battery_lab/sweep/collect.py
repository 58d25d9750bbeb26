"""Collection: the results of all trials of a sweep in one table, ``results.csv``."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd
from filelock import FileLock, Timeout

from battery_lab.common.atomic_write import atomic_write
from battery_lab.common.errors import ConfigError
from battery_lab.common.run_folder import RunFolder
from battery_lab.sweep.interfaces import RemoteJobs
from battery_lab.sweep.journal import Entry, Journal
from battery_lab.sweep.trial_folder import read_metrics
from battery_lab.sweep.trial_progress import read_progress

RESULTS = "results.csv"


def collect(folder: Path, remote: RemoteJobs | None = None) -> None:
    """Write ``results.csv`` to a sweep's folder: one row per trial, with its overrides and metrics.

    Args:
        folder: folder of the sweep.
        remote: the sweep's jobs on another service, whose results are downloaded first. None: there are none.

    Raises:
        ConfigError: the folder is not that of a sweep, or its running launcher downloads the results already.
    """
    journal = Journal.of_sweep(folder)
    if remote is not None:
        try:
            with FileLock(folder / RunFolder.LOCK, timeout=0):
                remote.collect(folder, journal)
        except Timeout:
            raise ConfigError(
                f"{folder} is in use by a running command, which downloads the results: wait until it ends"
            ) from None
    rows = [_row(journal, entry) for entry in journal.entries.values()]
    path = folder / RESULTS
    atomic_write(path, pd.DataFrame(rows).to_csv(index=False))
    done = sum(entry.state.settled for entry in journal.entries.values())
    print(f"{path}: {done} of {len(rows)} trials are done")


def _row(journal: Journal, entry: Entry) -> Mapping[str, Any]:
    choices = dict(choice.lstrip("+~").partition("=")[::2] for choice in entry.choices)
    metrics = read_metrics(journal.trial_folder(entry)) or {}
    columns = {"trial": entry.number, "state": str(entry.state), "reason": entry.reason, "source": entry.source}
    # Environment steps come from the curves, since pruned trials have no metrics.
    columns |= {"result": entry.result, "env_steps": read_progress(journal, entry).env_steps}
    return {**columns, **{f"choice.{key}": value for key, value in choices.items()}, **metrics}
