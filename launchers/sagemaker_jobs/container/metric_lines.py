"""Metric lines: printed by jobs, and turned into curves by the service."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from battery_lab.common.capture_and_lift_names import CAPTURE, LIFT
from battery_lab.tracking import Status, Tracker, Tracking

LINE = "metrics"
MAX_METRICS = 40  # metric definitions of a job, in the service
LEARNER = ("total_loss", "policy_loss", "vf_loss", "qf_loss", "qf_mean", "td_error_mean", "alpha_value", "entropy")


def reported_metrics(metrics: Sequence[str]) -> tuple[str, ...]:
    """Return the names of the reported metrics.

    Args:
        metrics: names of the environment's metrics.
    """
    return (
        *("env_steps", "train/reward_mean", *(f"train/{name}" for name in metrics), "train/env_steps_per_second"),
        *(f"learner/{name}" for name in LEARNER),
        *(f"validation/{CAPTURE}", f"test/{CAPTURE}", *(f"test/{name}" for name in metrics), f"test/{LIFT}"),
    )[:MAX_METRICS]


def metric_definitions(names: Sequence[str]) -> list[dict[str, str]]:
    """Return the metric definitions of a job for the names of its metrics."""
    number = r"([-+]?[0-9]+\.?[0-9]*(?:[eE][-+]?[0-9]+)?)"
    return [{"Name": name.replace("/", ":"), "Regex": f"^{LINE} .*\\b{re.escape(name)}={number}"} for name in names]


def metric_line(metrics: Mapping[str, float], names: Sequence[str], env_steps: int) -> str:
    """Return the line of metrics at an environment step, without values that are not finite."""
    known = {"env_steps": float(env_steps)} | {name: metrics[name] for name in names if name in metrics}
    pairs = (f"{name}={value:.9g}" for name, value in known.items() if math.isfinite(value))
    return f"{LINE} {' '.join(pairs)}"


@dataclass(frozen=True, kw_only=True)
class MetricLines:
    """Prints metric lines, in addition to another tracker.

    Attributes:
        inner: the other tracker.
        names: names of the printed metrics.
    """

    inner: Tracker
    names: Sequence[str]

    def start(self, folder: Path, name: str, config: Mapping[str, Any]) -> Tracking:
        """Start tracking a run."""
        return _PrintedTracking(self.inner.start(folder, name, config), self.names)

    def end_sweep(
        self, sweep: Path, done: Mapping[Path, Mapping[str, Any]], status: Status, figures: Mapping[str, float]
    ) -> None:
        """Finish the sweep in the other tracker."""
        self.inner.end_sweep(sweep, done, status, figures)


class _PrintedTracking:
    def __init__(self, inner: Tracking, names: Sequence[str]) -> None:
        self._inner, self._names = inner, names

    def log(self, metrics: Mapping[str, float], env_steps: int) -> None:
        print(metric_line(metrics, self._names, env_steps), flush=True)
        self._inner.log(metrics, env_steps)

    def finish(self, status: Status) -> None:
        self._inner.finish(status)
