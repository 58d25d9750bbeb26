"""How long trials may take, by how fast earlier ones of their algorithm were."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml

from battery_lab.common.run_folder import RunFolder
from battery_lab.tracking.mlflow_params import CHOICES

NEWEST = 50


def rates(folders: Iterable[Path]) -> dict[str, float]:
    """Return environment steps a second by algorithm: the median of the newest runs and trials that came to their end.

    Args:
        folders: each with run folders in it.
    """
    ended = [path for folder in folders for path in folder.glob(f"*/{RunFolder.METRICS}")]
    found: dict[str, list[float]] = {}
    for path in sorted(ended, key=lambda path: path.stat().st_mtime)[-NEWEST:]:
        algo, rate = _read(path.parent)
        if algo and rate:
            found.setdefault(algo, []).append(rate)
    return {algo: statistics.median(values) for algo, values in found.items()}


def _read(run: Path) -> tuple[str | None, float | None]:
    try:
        figures = RunFolder(run).read_metrics() or {}
        trial = yaml.safe_load(RunFolder(run).trial.read_text())
        return algo_of(trial), float(figures["train/env_steps_per_second"])
    except (OSError, ValueError, KeyError, TypeError, yaml.YAMLError):
        return None, None


def algo_of(trial: Mapping[str, Any]) -> str | None:
    """Return the name of a trial's algorithm, by what it was chosen as or else by its class."""
    chosen = (trial.get(CHOICES) or {}).get("algo")
    target = (trial.get("algo") or {}).get("_target_", "")
    return chosen or target.rpartition(".")[2].lower() or None
