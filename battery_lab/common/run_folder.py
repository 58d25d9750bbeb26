"""Run folder: the name of every file and folder in it, and how its results are written."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from battery_lab.common.atomic_write import atomic_path, atomic_write

if TYPE_CHECKING:
    import pandas as pd

SWEEP_COMMAND = "sweep.json"  # the command of a sweep; its folder is recognised by this file


def finite_or_null(metrics: Mapping[str, float]) -> dict[str, float | None]:
    """Return metrics for JSON, which has no NaN and no infinity: they become null."""
    return {name: float(value) if math.isfinite(value) else None for name, value in metrics.items()}


@dataclass(frozen=True)
class RunFolder:
    """The folder of one run, or of one evaluation in a run.

    The class attributes are the names, for archives and object stores; the properties are the paths in this folder.

    Attributes:
        path: the folder, which need not exist.
    """

    path: Path

    TRIAL: ClassVar[str] = "trial.yaml"
    METRICS: ClassVar[str] = "metrics.json"
    DISPATCH: ClassVar[str] = "dispatch.parquet"
    REPORT: ClassVar[str] = "report.html"
    CURVES: ClassVar[str] = "curves.jsonl"
    TENSORBOARD: ClassVar[str] = "tensorboard"
    CHECKPOINTS: ClassVar[str] = "checkpoints"
    POLICY: ClassVar[str] = "policy"
    MODEL: ClassVar[str] = "model"
    TEST_LOOKS: ClassVar[str] = "test_looks.jsonl"
    EVALUATIONS: ClassVar[str] = "evaluations"
    LOG: ClassVar[str] = "trial.log"
    AUDIT: ClassVar[str] = "audit.json"
    CHOICES: ClassVar[str] = "choices.json"
    SYNC_STATE: ClassVar[str] = "mlflow.json"
    SYNC_LOCK: ClassVar[str] = ".mlflow.lock"
    LOCK: ClassVar[str] = ".lock"
    # What a run writes and a run that starts from the beginning must not find.
    RESULTS: ClassVar[tuple[str, ...]] = (
        *(CURVES, TENSORBOARD, CHECKPOINTS, POLICY),
        *(METRICS, DISPATCH, REPORT, MODEL, AUDIT),
    )

    @property
    def trial(self) -> Path:
        """The composed configuration."""
        return self.path / self.TRIAL

    @property
    def metrics(self) -> Path:
        """The metrics of a finished run. It is written last: a folder that holds it holds all results."""
        return self.path / self.METRICS

    @property
    def dispatch(self) -> Path:
        """What the policy did in each interval of the test period."""
        return self.path / self.DISPATCH

    @property
    def report(self) -> Path:
        """One page without scripts; ``report.page`` writes it."""
        return self.path / self.REPORT

    @property
    def curves(self) -> Path:
        """The training curves, one JSON object per line; ``tracking.RunLog`` writes them."""
        return self.path / self.CURVES

    @property
    def tensorboard(self) -> Path:
        """The training curves for TensorBoard."""
        return self.path / self.TENSORBOARD

    @property
    def checkpoints(self) -> Path:
        """The checkpoints; ``experiment.checkpoint`` writes them."""
        return self.path / self.CHECKPOINTS

    @property
    def policy(self) -> Path:
        """The policy that the training kept; ``policies.policy`` writes it."""
        return self.path / self.POLICY

    @property
    def model(self) -> Path:
        """The exported policy; ``policies.onnx_export`` writes it."""
        return self.path / self.MODEL

    @property
    def test_looks(self) -> Path:
        """Every evaluation on the test period, one JSON object per line."""
        return self.path / self.TEST_LOOKS

    @property
    def evaluations(self) -> Path:
        """Later evaluations of the policy, each a folder with results of its own."""
        return self.path / self.EVALUATIONS

    @property
    def audit(self) -> Path:
        """What was compared to show that decisions use known values only; ``experiment.look_ahead_audit`` writes it."""
        return self.path / self.AUDIT

    @property
    def log(self) -> Path:
        """The output of the process or job of a trial of a sweep."""
        return self.path / self.LOG

    @property
    def choices(self) -> Path:
        """The overrides of an evaluation."""
        return self.path / self.CHOICES

    @property
    def sync_state(self) -> Path:
        """What was sent to MLflow; ``tracking.mlflow_sync_state`` writes it."""
        return self.path / self.SYNC_STATE

    @property
    def sync_lock(self) -> Path:
        """Held by the process that sends the folder to MLflow."""
        return self.path / self.SYNC_LOCK

    @property
    def lock(self) -> Path:
        """Held by the process that trains in the folder."""
        return self.path / self.LOCK

    def write_trial(self, text: str) -> None:
        """Write the composed configuration."""
        atomic_write(self.trial, text)

    def write_metrics(self, metrics: Mapping[str, float]) -> None:
        """Write ``metrics.json``, sorted by name; NaN and infinity become null."""
        atomic_write(self.metrics, json.dumps(dict(sorted(finite_or_null(metrics).items())), indent=1))

    def read_metrics(self) -> dict[str, Any] | None:
        """Return the metrics of a finished run; None if there are none.

        Raises:
            OSError: the file cannot be read.
            ValueError: the file holds no JSON.
        """
        try:
            metrics = json.loads(self.metrics.read_text())
        except FileNotFoundError:
            return None
        return metrics if isinstance(metrics, dict) else None

    def write_dispatch(self, frame: pd.DataFrame) -> None:
        """Write one row per interval."""
        with atomic_path(self.dispatch) as part:
            frame.to_parquet(part, index=False)

    def write_report(self, page: bytes) -> None:
        atomic_write(self.report, page)

    def append_test_look(self, look: Mapping[str, Any]) -> None:
        """Record an evaluation on the test period."""
        with self.test_looks.open("a") as file:
            file.write(json.dumps(look) + "\n")
