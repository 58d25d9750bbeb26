"""Metric lines that a job prints, and the patterns by which the service turns them into curves."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from battery_lab.tracking import Status, Tracker, Tracking

LINE = "metrics"
NAMES = (
    "env_steps",
    "train/reward_mean",
    "train/profit_per_day",
    "train/revenue_per_day",
    "train/env_steps_per_second",
    "learner/total_loss",
    "learner/policy_loss",
    "learner/vf_loss",
    "learner/qf_loss",
    "learner/qf_mean",
    "learner/td_error_mean",
    "learner/alpha_value",
    "learner/entropy",
    "validation/capture",
    "test/capture",
    "test/profit_per_day",
    "test/revenue_per_day",
    "test/lift_over_rule",
    "test/equivalent_full_cycles_per_day",
)


def definitions() -> list[dict[str, str]]:
    """Return the metric definitions of a job, at most 40."""
    number = r"([-+]?[0-9]+\.?[0-9]*(?:[eE][-+]?[0-9]+)?)"
    return [{"Name": name.replace("/", ":"), "Regex": f"^{LINE} .*\\b{re.escape(name)}={number}"} for name in NAMES]


def line(metrics: Mapping[str, float], env_steps: int) -> str:
    """Return the line of metrics at an environment step, without those that are no numbers."""
    known = {"env_steps": float(env_steps)} | {name: metrics[name] for name in NAMES if name in metrics}
    told = (f"{name}={value:.9g}" for name, value in known.items() if math.isfinite(value))
    return f"{LINE} {' '.join(told)}"


@dataclass(frozen=True, kw_only=True)
class MetricLines:
    """Prints what is tracked, for whoever reads the job's log, beside another tracker.

    Attributes:
        inner: the other tracker.
    """

    inner: Tracker

    def start(self, folder: Path, name: str, config: Mapping[str, Any]) -> Tracking:
        """Begin to track a run."""
        return _Printed(self.inner.start(folder, name, config))

    def end_sweep(
        self, sweep: Path, done: Mapping[Path, Mapping[str, Any]], status: Status, figures: Mapping[str, float]
    ) -> None:
        """Leave it to the other tracker."""
        self.inner.end_sweep(sweep, done, status, figures)


class _Printed:
    def __init__(self, inner: Tracking) -> None:
        self._inner = inner

    def log(self, metrics: Mapping[str, float], env_steps: int) -> None:
        print(line(metrics, env_steps), flush=True)
        self._inner.log(metrics, env_steps)

    def finish(self, status: Status) -> None:
        self._inner.finish(status)
