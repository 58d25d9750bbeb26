"""Run log: the training curves in the run folder, as JSON lines and as TensorBoard files."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from battery_lab.common.atomic_write import atomic_write
from battery_lab.common.run_folder import RunFolder, finite_or_null
from battery_lab.tracking.tensorboard import EventFile

STEPS, TIME = "env_steps", "time"

Line = dict[str, float | None]


def read_lines(path: Path, offset: int = 0) -> tuple[list[Line], int]:
    """Read the complete lines of a curve file.

    Args:
        path: a ``curves.jsonl``; a missing file counts as empty.
        offset: the first byte to read, as an earlier call returned it.

    Returns:
        The lines, each with ``env_steps`` and ``time``, and the byte after the last complete line. An incomplete last
        line is left for the next call.
    """
    try:
        with path.open("rb") as file:
            file.seek(offset)
            data = file.read()
    except FileNotFoundError:
        return [], offset
    whole = data[: data.rfind(b"\n") + 1]
    lines = [line for text in whole.splitlines() if (line := _parse(text)) is not None]
    return lines, offset + len(whole)


class RunLog:
    """Writes the curves of a run: one JSON object per line, and the same points to TensorBoard.

    A line is ``{"env_steps": int, "time": unix seconds, <metric>: number or null, ...}``.
    """

    def __init__(self, folder: Path) -> None:
        """Open the curves of a run folder for appending. The folder is created if missing."""
        folder.mkdir(parents=True, exist_ok=True)
        self._path, self._folder = RunFolder(folder).curves, RunFolder(folder).tensorboard
        self._purge_step: int | None = None
        self._events: EventFile | None = None
        self._rewrite(read_lines(self._path)[0])
        self._file = self._path.open("ab", buffering=0)

    def log(self, metrics: Mapping[str, float], env_steps: int) -> None:
        """Append metrics at an environment step. NaN and infinity are stored as null."""
        line: dict[str, Any] = {STEPS: int(env_steps), TIME: round(time.time(), 3)}
        line |= finite_or_null(metrics)
        # One unbuffered write per line: a kill damages the last line at most.
        self._file.write(json.dumps(line, allow_nan=False).encode() + b"\n")
        if self._events is None:
            self._events = EventFile(self._folder, self._purge_step)
        points = {name: value for name, value in finite_or_null(metrics).items() if value is not None}
        self._events.add(points, int(env_steps), line[TIME])

    def rewind(self, env_steps: int) -> None:
        """Remove what was logged after an environment step, to resume from a checkpoint at that step."""
        self.close()
        kept = [line for line in read_lines(self._path)[0] if (line[STEPS] or 0) <= env_steps]
        self._rewrite([line for line in kept if not _is_test(line)])
        self._file = self._path.open("ab", buffering=0)
        if env_steps == 0:
            shutil.rmtree(self._folder, ignore_errors=True)
        self._purge_step = env_steps + 1

    def read(self) -> list[Line]:
        """Return all lines in the order in which they were logged."""
        return read_lines(self._path)[0]

    def close(self) -> None:
        """Close the files. A second call has no effect."""
        self._file.close()
        if self._events is not None:
            self._events.close()
            self._events = None

    def _rewrite(self, lines: list[Line]) -> None:
        """Replace the file by these lines if it holds anything else."""
        text = "".join(json.dumps(line, allow_nan=False) + "\n" for line in lines).encode()
        if not self._path.exists() or self._path.read_bytes() == text:
            return
        atomic_write(self._path, text)


def _parse(text: bytes) -> Line | None:
    try:
        line = json.loads(text)
    except ValueError:
        return None
    return line if isinstance(line, dict) and isinstance(line.get(STEPS), int) else None


def _is_test(line: Line) -> bool:
    # A resumed run writes its test metrics again at its end.
    return any(key.startswith("test/") for key in line)
