"""Trial folders: result, checkpoint and progress of a trial, read from its run folder."""

from __future__ import annotations

import math
import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from battery_lab.common.errors import LabError
from battery_lab.common.run_folder import RunFolder
from battery_lab.experiment.checkpoint import list_checkpoints
from battery_lab.sweep.journal import Entry, Journal
from battery_lab.tracking.run_log import STEPS, TIME, read_lines

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


@dataclass
class TrialProgress:
    """Progress of a trial, read from its curves.

    Attributes:
        env_steps: environment steps trained so far.
        capture: best validation capture so far. None: not validated yet.
        steps_per_second: environment steps per second of the current attempt. None: unknown.
        validations: for each validation, its environment steps and the best capture up to then.
    """

    env_steps: int = 0
    capture: float | None = None
    steps_per_second: float | None = None
    validations: list[tuple[int, float]] = field(default_factory=list)


class ProgressReader:
    """Reads the curves of a trial while they grow."""

    def __init__(self, folder: Path, started_at: float = 0.0) -> None:
        """Prepare to read. The folder need not exist yet.

        Args:
            folder: run folder of the trial.
            started_at: start of the current attempt in Unix seconds. Its speed excludes earlier attempts.
        """
        self._path, self._started_at = RunFolder(folder).curves, started_at
        self._reset()

    def _reset(self) -> None:
        self._offset = 0
        self._first: tuple[int, float] | None = None
        self.progress = TrialProgress()

    def read(self) -> TrialProgress:
        """Return the current progress."""
        if self._path.exists() and self._path.stat().st_size < self._offset:
            self._reset()
        lines, self._offset = read_lines(self._path, self._offset)
        for line in lines:
            self._add(line)
        return self.progress

    def _add(self, line: dict[str, Any]) -> None:
        progress, time = self.progress, line.get(TIME) or 0.0
        progress.env_steps = int(line[STEPS] or 0)
        if (capture := line.get(RESULT)) is not None:
            progress.capture = capture if progress.capture is None else max(progress.capture, capture)
            progress.validations.append((progress.env_steps, progress.capture))
        if time < self._started_at:
            return
        if self._first is None or time <= self._first[1] or progress.env_steps < self._first[0]:
            self._first = (progress.env_steps, time)
        else:
            progress.steps_per_second = (progress.env_steps - self._first[0]) / (time - self._first[1])


def read_progress(journal: Journal, entry: Entry) -> TrialProgress:
    """Return the progress of a trial's last attempt."""
    return ProgressReader(journal.trial_folder(entry), entry.started_at or 0.0).read()
