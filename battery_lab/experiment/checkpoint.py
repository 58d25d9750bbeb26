"""Checkpoints: the state of the learner, the training progress and the kept policy, written atomically."""

from __future__ import annotations

import json
import re
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from battery_lab.common.atomic_write import PREFIX, atomic_path
from battery_lab.common.errors import DataError

if TYPE_CHECKING:
    from battery_lab.algos.interfaces import Learner

STATE, KEPT = "state.json", "kept_policy"
# Checkpoints of earlier versions have these names for what is kept now.
OLD_KEPT = "best_policy"
OLD_FIELDS = {"best_capture": "kept_capture", "best_env_steps": "kept_env_steps"}
FILES = "files"  # key in the state: sizes of all files of the checkpoint
NAME = re.compile(r"^\d{12}$")


@dataclass(kw_only=True)
class Progress:
    """Progress of a training.

    Attributes:
        env_steps: environment steps trained on.
        seconds: training duration without validation and start-up.
        best: the best validation score so far; None before the first validation.
        kept_capture: capture of the kept policy in the validation period.
        kept_env_steps: environment step of the kept policy.
        stale: number of validations since the best score.
        next_checkpoint: environment step of the next checkpoint.
        next_validation: environment step of the next validation.
        data: hash of the data and their split; empty before they are read.
    """

    env_steps: int = 0
    seconds: float = 0.0
    best: float | None = None
    kept_capture: float | None = None
    kept_env_steps: int = 0
    stale: int = 0
    next_checkpoint: int = 0
    next_validation: int = 0
    data: str = ""

    def metrics(self) -> dict[str, float]:
        """Return the metrics of the training for ``metrics.json``."""
        return {
            "validation/capture": float("nan") if self.kept_capture is None else self.kept_capture,
            "validation/env_steps": float(self.kept_env_steps),
            "train/env_steps": float(self.env_steps),
            "train/seconds": self.seconds,
            "train/env_steps_per_second": self.env_steps / max(self.seconds, 1e-9),
        }


def save(folder: Path, learner: Learner, progress: Progress, policy: Path, keep: int) -> Path:
    """Write a checkpoint atomically, then remove the oldest ones.

    Args:
        folder: the folder of all checkpoints of the run.
        learner: the learner.
        progress: progress of the training; its steps name the checkpoint.
        policy: folder of the kept policy, which may be missing.
        keep: how many checkpoints to keep.
    """
    folder.mkdir(parents=True, exist_ok=True)
    final, earlier = folder / f"{progress.env_steps:012d}", list_checkpoints(folder)
    # Remove what a kill left. The run folder is locked, so no other process is writing a checkpoint.
    for unfinished in folder.iterdir():
        if unfinished.name.startswith(PREFIX) or (NAME.match(unfinished.name) and unfinished not in earlier):
            shutil.rmtree(unfinished, ignore_errors=True)
    # The disk holds the checkpoint before it gets its name, and the name before older checkpoints are removed.
    with atomic_path(final, sync=True) as part:
        part.mkdir()
        learner.save(part, earlier[-1] if earlier else None)
        if policy.is_dir():
            shutil.copytree(policy, part / KEPT)
        (part / STATE).write_text(json.dumps(asdict(progress) | {FILES: _sizes(part)}))
    for old in list_checkpoints(folder)[:-keep]:
        shutil.rmtree(old, ignore_errors=True)
    return final


def list_checkpoints(folder: Path) -> list[Path]:
    """Return the complete checkpoints of a run, the oldest first.

    A checkpoint may be incomplete if another program copied the folder file by file.
    """
    if not folder.is_dir():
        return []
    candidates = (path for path in folder.iterdir() if NAME.match(path.name) and (path / STATE).is_file())
    return sorted(path for path in candidates if _is_complete(path))


def env_steps(path: Path) -> int:
    """Return the environment steps of a checkpoint."""
    return int(path.name)


def _sizes(folder: Path) -> dict[str, int]:
    return {str(path.relative_to(folder)): path.stat().st_size for path in folder.rglob("*") if path.is_file()}


def _is_complete(path: Path) -> bool:
    # A damaged state counts as complete here: reading the checkpoint reports it.
    try:
        files = json.loads((path / STATE).read_text()).get(FILES) or {}
        return all((path / name).stat().st_size == size for name, size in files.items())
    except FileNotFoundError:
        return False
    except (OSError, ValueError, AttributeError):
        return True


def latest(folder: Path) -> tuple[Path, Progress]:
    """Return the newest checkpoint and its progress.

    Raises:
        DataError: there is no checkpoint, or the newest one is damaged.
    """
    checkpoints = list_checkpoints(folder)
    if not checkpoints:
        raise DataError(f"{folder} holds no checkpoint: the run stopped before its first one, so start it again")
    return checkpoints[-1], _read(checkpoints)


def _read(checkpoints: list[Path]) -> Progress:
    newest, folder = checkpoints[-1] / STATE, checkpoints[-1].parent
    try:
        state = json.loads(newest.read_text())
        if isinstance(state, dict):
            state.pop(FILES, None)
            state = {OLD_FIELDS.get(name, name): value for name, value in state.items()}
        progress = Progress(**state)
        if progress.env_steps == env_steps(newest.parent):
            return progress
        reason: object = f"its state belongs to step {progress.env_steps}"
    except (OSError, ValueError, TypeError) as error:
        reason = error
    remedy = "the one before it is used then"
    if not checkpoints[1:]:
        remedy = f"it is the only one, so start again with rerun={folder.parent}"
    raise DataError(f"{newest} is damaged ({reason}): delete the folder of that checkpoint, {newest.parent}; {remedy}")


def restore(path: Path, learner: Learner, policy: Path) -> None:
    """Restore a learner and the folder of the kept policy from a checkpoint."""
    learner.restore(path)
    shutil.rmtree(policy, ignore_errors=True)
    for kept in (path / KEPT, path / OLD_KEPT):
        if kept.is_dir():
            shutil.copytree(kept, policy)
            return
