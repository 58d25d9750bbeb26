"""What the folder of a trial says of it, also where the sweep around it was killed."""

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
from battery_lab.tracking.run_log import STEPS, TIME, read_lines

EARLIER = "earlier-"
RESULT = "validation/capture"


def read_metrics(folder: Path) -> dict[str, float | None] | None:
    """Return the figures of a trial that came to its end; None if it did not."""
    try:
        return RunFolder(folder).read_metrics()
    except (OSError, ValueError):
        return None


def read_result(folder: Path) -> float | None:
    """Return the result of a trial that came to its end, NaN if it has none; None if it did not."""
    figures = read_metrics(folder)
    if figures is None:
        return None
    value = figures.get(RESULT)
    return float(value) if isinstance(value, int | float) else math.nan


def checkpoint_steps(folder: Path) -> int | None:
    """Return the environment steps of the newest checkpoint; None if there is none."""
    checkpoints = list_checkpoints(RunFolder(folder).checkpoints)
    return int(checkpoints[-1].name) if checkpoints else None


def is_locked(folder: Path) -> bool:
    """Return whether a run goes on in the folder."""
    lock = RunFolder(folder).lock
    if not lock.exists():
        return False
    try:
        with FileLock(lock, timeout=0):
            return False
    except Timeout:
        return True


def move_aside(folder: Path, name: str) -> None:
    """Keep what another source of the lab made of a trial, beside the folder, and leave its place free.

    Raises:
        LabError: a run goes on in the folder.
    """
    if not folder.exists():
        return
    if is_locked(folder):
        raise LabError(f"{folder} belongs to a run of another source of the lab that goes on: wait for it, or stop it")
    kept = folder.with_name(f"{folder.name}.{name}")
    while kept.exists():
        kept = kept.with_name(f"{kept.name}_")
    folder.rename(kept)


def reset_folder(folder: Path) -> None:
    """Take away what an earlier try left, so that the next one begins at the start.

    Where there is a checkpoint in it, all is kept in ``earlier-<number>``: what made a try fail from there may have
    been the machine's fault after all.
    """
    left = [folder / name for name in RunFolder.RESULTS if (folder / name).exists()]
    if checkpoint_steps(folder) is not None:
        kept = folder / f"{EARLIER}{sum(1 for _ in folder.glob(f'{EARLIER}*'))}"
        kept.mkdir()
        # Checkpoints last: a kill amid this leaves a place from which the next try starts over again.
        for path in sorted(left, key=lambda path: path.name == RunFolder.CHECKPOINTS):
            path.rename(kept / path.name)
        return
    for path in left:
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()


@dataclass
class Progress:
    """How far a trial has come, by the curves in its folder.

    Attributes:
        env_steps: trained on so far.
        capture: the best on validation so far; None before the first look.
        rate: environment steps a second of the present try; None where that cannot be told yet.
        looks: environment steps of each look at validation, and the best capture by then.
    """

    env_steps: int = 0
    capture: float | None = None
    rate: float | None = None
    looks: list[tuple[int, float]] = field(default_factory=list)


class Watch:
    """Reads the curves of a trial as they grow."""

    def __init__(self, folder: Path, since: float = 0.0) -> None:
        """Remember the folder, which need not be there yet.

        Args:
            folder: of the trial.
            since: when the present try began, in unix seconds, as its pace is none of the tries before it.
        """
        self._path, self._since = RunFolder(folder).curves, since
        self._begin()

    def _begin(self) -> None:
        self._offset = 0
        self._first: tuple[int, float] | None = None
        self.progress = Progress()

    def look(self) -> Progress:
        """Return how far it has come by now."""
        if self._path.exists() and self._path.stat().st_size < self._offset:
            self._begin()
        lines, self._offset = read_lines(self._path, self._offset)
        for line in lines:
            self._take(line)
        return self.progress

    def _take(self, line: dict[str, Any]) -> None:
        progress, at = self.progress, line.get(TIME) or 0.0
        progress.env_steps = int(line[STEPS] or 0)
        if (capture := line.get(RESULT)) is not None:
            progress.capture = capture if progress.capture is None else max(progress.capture, capture)
            progress.looks.append((progress.env_steps, progress.capture))
        if at < self._since:
            return
        if self._first is None or at <= self._first[1] or progress.env_steps < self._first[0]:
            self._first = (progress.env_steps, at)
        else:
            progress.rate = (progress.env_steps - self._first[0]) / (at - self._first[1])
