"""Trial folders: result, checkpoint and lock of a trial, and clean-up before another attempt."""

from __future__ import annotations

import math
import shutil
from pathlib import Path

from filelock import FileLock, Timeout

from battery_lab.common.errors import LabError
from battery_lab.common.run_folder import RunFolder
from battery_lab.experiment.checkpoint import list_checkpoints

EARLIER = "earlier-"
RESULT = "validation/capture"


def read_metrics(folder: Path) -> dict[str, float | None] | None:
    """Return the final metrics of a trial. None: it has not finished."""
    try:
        return RunFolder(folder).read_metrics()
    except (OSError, ValueError):
        return None


def read_result(folder: Path) -> float | None:
    """Return the validation capture of a finished trial, NaN if it has none. None: it has not finished."""
    metrics = read_metrics(folder)
    if metrics is None:
        return None
    value = metrics.get(RESULT)
    return float(value) if isinstance(value, int | float) else math.nan


def checkpoint_steps(folder: Path) -> int | None:
    """Return the environment steps of the newest checkpoint. None: there is no checkpoint."""
    checkpoints = list_checkpoints(RunFolder(folder).checkpoints)
    return int(checkpoints[-1].name) if checkpoints else None


def is_locked(folder: Path) -> bool:
    """Return whether a process is using the folder."""
    lock = RunFolder(folder).lock
    if not lock.exists():
        return False
    try:
        with FileLock(lock, timeout=0):
            return False
    except Timeout:
        return True


def move_aside(folder: Path, suffix: str) -> None:
    """Rename the folder of a trial that another version of the lab made, by appending a suffix.

    Raises:
        LabError: a run is using the folder.
    """
    if not folder.exists():
        return
    if is_locked(folder):
        raise LabError(f"{folder} is in use by a run of another version of the lab: wait until it ends, or stop it")
    target = folder.with_name(f"{folder.name}.{suffix}")
    while target.exists():
        target = target.with_name(f"{target.name}_")
    folder.rename(target)


def reset_folder(folder: Path) -> None:
    """Remove the files of earlier attempts, so that the next attempt starts over.

    If there is a checkpoint, the files are moved to ``earlier-<number>`` instead, since the machine may have been the
    cause of the failure.
    """
    files = [folder / name for name in RunFolder.RESULTS if (folder / name).exists()]
    if checkpoint_steps(folder) is not None:
        backup = folder / f"{EARLIER}{sum(1 for _ in folder.glob(f'{EARLIER}*'))}"
        backup.mkdir()
        # Checkpoints last: after a kill in between, the next attempt finds the checkpoint and comes here again.
        for path in sorted(files, key=lambda path: path.name == RunFolder.CHECKPOINTS):
            path.rename(backup / path.name)
        return
    for path in files:
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()
