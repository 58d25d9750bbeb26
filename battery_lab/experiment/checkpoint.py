"""Checkpoints that are whole or not there: RLlib's state, the lab's, and where the best policy stands."""

from __future__ import annotations

import json
import logging
import re
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from battery_lab.common.atomic_write import PREFIX, atomic_path
from battery_lab.common.errors import DataError

STATE, RLLIB, BEST, MEMORY = "state.json", "rllib", "best_policy", "replay"
FILES = "files"  # of a checkpoint with their sizes, in its state
NAME = re.compile(r"^\d{12}$")


@dataclass(kw_only=True)
class Progress:
    """How far a training has come.

    Attributes:
        env_steps: environment steps trained on.
        seconds: time spent in training, without validation and start-up.
        best: the best validation score so far; None before the first validation.
        best_capture: its share of the optimum.
        best_env_steps: when it was reached.
        stale: validations since.
        next_checkpoint: the environment step of the next checkpoint.
        next_validation: of the next validation.
        data: a hash of the data that it trains on and of their split; empty before they are read.
    """

    env_steps: int = 0
    seconds: float = 0.0
    best: float | None = None
    best_capture: float | None = None
    best_env_steps: int = 0
    stale: int = 0
    next_checkpoint: int = 0
    next_validation: int = 0
    data: str = ""

    def metrics(self) -> dict[str, float]:
        """Return what ``metrics.json`` says of the training."""
        return {
            "validation/capture": float("nan") if self.best_capture is None else self.best_capture,
            "validation/env_steps": float(self.best_env_steps),
            "train/env_steps": float(self.env_steps),
            "train/seconds": self.seconds,
            "train/env_steps_per_second": self.env_steps / max(self.seconds, 1e-9),
        }


def save(folder: Path, algorithm: Any, progress: Progress, policy: Path, keep: int) -> Path:
    """Write a checkpoint under a temporary name, then give it its own; drop the oldest.

    Args:
        folder: the run's ``checkpoints``.
        algorithm: the RLlib algorithm; one with a memory that it can write itself has ``save_memory``.
        progress: how far it has come; names the checkpoint.
        policy: folder of the best policy so far, which may be missing.
        keep: how many checkpoints to keep.
    """
    folder.mkdir(parents=True, exist_ok=True)
    final, earlier = folder / f"{progress.env_steps:012d}", found(folder)
    # What a kill left of an earlier checkpoint; the run folder is locked, so that nobody is writing it.
    for torn in folder.iterdir():
        if torn.name.startswith(PREFIX) or (NAME.match(torn.name) and torn not in earlier):
            shutil.rmtree(torn, ignore_errors=True)
    # The disk holds the checkpoint before it gets its name, and the name before older checkpoints are removed.
    with atomic_path(final, sync=True) as part:
        part.mkdir()
        algorithm.save_to_path(str((part / RLLIB).resolve()))
        if hasattr(algorithm, "save_memory"):
            algorithm.save_memory(part / MEMORY, earlier[-1] / MEMORY if earlier else None)
        if policy.is_dir():
            shutil.copytree(policy, part / BEST)
        (part / STATE).write_text(json.dumps(asdict(progress) | {FILES: _sizes(part)}))
    for old in found(folder)[:-keep]:
        shutil.rmtree(old, ignore_errors=True)
    return final


def found(folder: Path) -> list[Path]:
    """Return the whole checkpoints of a run, the oldest first.

    Where another program carried the folder here file by file, one may lack some of its files.
    """
    if not folder.is_dir():
        return []
    named = (path for path in folder.iterdir() if NAME.match(path.name) and (path / STATE).is_file())
    return sorted(path for path in named if _is_whole(path))


def _sizes(folder: Path) -> dict[str, int]:
    return {str(path.relative_to(folder)): path.stat().st_size for path in folder.rglob("*") if path.is_file()}


def _is_whole(path: Path) -> bool:
    """Whether all files that the state tells of are there; one that cannot be read is left to who reads it."""
    try:
        files = json.loads((path / STATE).read_text()).get(FILES) or {}
        return all((path / name).stat().st_size == size for name, size in files.items())
    except FileNotFoundError:
        return False
    except (OSError, ValueError, AttributeError):
        return True


def latest(folder: Path) -> tuple[Path, Progress]:
    """Return the newest checkpoint and how far it had come.

    Raises:
        DataError: there is none, or it is damaged.
    """
    checkpoints = found(folder)
    if not checkpoints:
        raise DataError(f"{folder} holds no checkpoint: the run stopped before its first one, so start it again")
    return checkpoints[-1], _read(checkpoints)


def _read(checkpoints: list[Path]) -> Progress:
    newest, folder = checkpoints[-1] / STATE, checkpoints[-1].parent
    try:
        state = json.loads(newest.read_text())
        if isinstance(state, dict):
            state.pop(FILES, None)
        progress = Progress(**state)
        if progress.env_steps == int(newest.parent.name):
            return progress
        why: object = f"it is of step {progress.env_steps}"
    except (OSError, ValueError, TypeError) as error:
        why = error
    then = (
        "the one before it is used"
        if checkpoints[1:]
        else f"start again with rerun={folder.parent}: it is the only one"
    )
    raise DataError(f"{newest} is damaged ({why}): delete the folder of that checkpoint, {newest.parent}, and {then}")


def restore(path: Path, algorithm: Any, policy: Path) -> None:
    """Put an algorithm, and the folder of the best policy, back to where a checkpoint stands."""
    logging.getLogger("ray.rllib").setLevel(logging.ERROR)
    algorithm.restore_from_path(str((path / RLLIB).resolve()))
    if hasattr(algorithm, "load_memory"):
        algorithm.load_memory(path / MEMORY)
    shutil.rmtree(policy, ignore_errors=True)
    if (path / BEST).is_dir():
        shutil.copytree(path / BEST, policy)
