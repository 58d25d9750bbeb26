"""Speeds of earlier runs: environment steps per second per algorithm, to estimate how long a trial takes."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml

from battery_lab.common.run_folder import RunFolder
from battery_lab.common.trial_digest import CHOICES

NEWEST_RUNS = 50


def steps_per_second(folders: Iterable[Path]) -> dict[str, float]:
    """Return environment steps per second by algorithm: the median of the newest finished runs.

    Args:
        folders: folders that contain run folders.
    """
    finished = [path for folder in folders for path in folder.glob(f"*/{RunFolder.METRICS}")]
    speeds: dict[str, list[float]] = {}
    for path in sorted(finished, key=lambda path: path.stat().st_mtime)[-NEWEST_RUNS:]:
        algo, speed = _read(path.parent)
        if algo and speed:
            speeds.setdefault(algo, []).append(speed)
    return {algo: statistics.median(values) for algo, values in speeds.items()}


def _read(run: Path) -> tuple[str | None, float | None]:
    try:
        metrics = RunFolder(run).read_metrics() or {}
        trial = yaml.safe_load(RunFolder(run).trial.read_text())
        return algo_of(trial), float(metrics["train/env_steps_per_second"])
    except (OSError, ValueError, KeyError, TypeError, yaml.YAMLError):
        return None, None


def algo_of(trial: Mapping[str, Any]) -> str | None:
    """Return the name of a trial's algorithm: the chosen option, or else its class in lower case."""
    choice = (trial.get(CHOICES) or {}).get("algo")
    target = (trial.get("algo") or {}).get("_target_", "")
    return choice or target.rpartition(".")[2].lower() or None
