"""Refuse finished run: an error where a resumed run has trained to its end and been evaluated."""

from __future__ import annotations

from pathlib import Path
from typing import TypeGuard

from battery_lab.common.errors import LabError, damaged
from battery_lab.common.run_folder import RunFolder
from battery_lab.experiment import checkpoint


def refuse_finished_run(folder: Path, env_steps: object, stop_on_plateau: object) -> None:
    """Raise LabError where a run has nothing left to train: it would only use the test period once more.

    Args:
        folder: the run folder.
        env_steps: the budget with which it is resumed, ``train.env_steps``.
        stop_on_plateau: ``train.stop_on_plateau``.

    Raises:
        LabError: the run is finished.
        DataError: its newest checkpoint, or its metrics, are damaged.
    """
    run = RunFolder(folder)
    try:
        metrics = run.read_metrics()
    except ValueError as error:
        raise damaged(run.metrics, error, "remove it to have the run evaluated again") from None
    if metrics is None or not checkpoint.list_checkpoints(run.checkpoints):
        return
    progress = checkpoint.latest(run.checkpoints)[1]
    if metrics.get("train/env_steps") != progress.env_steps:
        # The metrics are of an earlier end: the run was resumed since and stopped.
        return
    at_budget = _is_number(env_steps) and progress.env_steps >= env_steps
    on_plateau = _is_number(stop_on_plateau) and 0 < stop_on_plateau <= progress.stale
    if at_budget or on_plateau:
        option = "train.env_steps" if at_budget else "train.stop_on_plateau"
        raise LabError(
            f"this run is finished, at {progress.env_steps} environment steps: raise {option} to resume it, "
            f"or evaluate it again with battery-lab evaluate run={folder}"
        )


def _is_number(value: object) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool)
