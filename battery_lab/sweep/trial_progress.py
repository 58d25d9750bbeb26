"""Trial progress: steps, best capture and speed of a trial, read from its curves while they grow."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from battery_lab.common.run_folder import RunFolder
from battery_lab.sweep.journal import Entry, Journal
from battery_lab.sweep.trial_folder import RESULT
from battery_lab.tracking.run_log import STEPS, TIME, read_lines


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
