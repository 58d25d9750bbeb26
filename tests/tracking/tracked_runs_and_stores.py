"""Run folders without training, and the content of a store."""

from __future__ import annotations

import json
from collections import defaultdict
from pathlib import Path
from typing import Any

from battery_lab.tracking import RunLog, Tracking
from battery_lab.tracking.mlflow_option import MlflowTracking
from battery_lab.tracking.mlflow_run_sync import RunSync
from battery_lab.tracking.mlflow_sender_thread import MlflowSender
from battery_lab.tracking.mlflow_sync_state import read_sync_state


def tracker(outputs: Path, **choices: Any) -> MlflowTracking:
    """Return tracking to the store of an outputs folder; by default it sends only at the end."""
    defaults: dict[str, Any] = {
        "uri": f"sqlite:///{outputs}/mlflow.db",
        "experiment": "battery_lab",
        "artifacts": str(outputs / "mlartifacts"),
        "flush_every_s": 60.0,
        "finish_within_s": 60.0,
    }
    return MlflowTracking(**defaults | choices)


class Run:
    """A run folder that logs steps without training."""

    def __init__(self, folder: Path, tracking: MlflowTracking, **config: Any) -> None:
        """Use a folder, which need not exist, and parts of a configuration."""
        self.folder, self.tracking = folder, tracking
        self.config = {"seed": 0, "outputs": "outputs", "algo": {"lr": 3e-4}, **config}

    def store_trial(self) -> None:
        """Write trial.yaml, as JSON, which is YAML."""
        fields = {name: getattr(self.tracking, name) for name in self.tracking.__dataclass_fields__}
        target = {"_target_": "battery_lab.tracking.mlflow_option.MlflowTracking"}
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / "trial.yaml").write_text(json.dumps({**self.config, "tracking": target | fields}))

    def train(self, steps: range, resume_at: int = 0) -> Tracking:
        """Log steps; return the unfinished tracking, which sends from a thread, since a process starts slowly."""
        log = RunLog(self.folder)
        log.rewind(resume_at)
        tracking = self._start()
        for step in steps:
            metrics = {"train/reward": float(step), "validation/capture": step / 1000}
            log.log(metrics, step)
            tracking.log(metrics, step)
        log.close()
        return tracking

    def _start(self) -> Tracking:
        if not isinstance(self.tracking, MlflowTracking):
            return self.tracking.start(self.folder, self.folder.name, self.config)
        sync = RunSync(self.folder, self.folder.name, self.config, self.tracking.address())
        return MlflowSender(sync, self.tracking.flush_every_s, self.tracking.finish_within_s)

    def evaluate(self, **metrics: float) -> None:
        """Write the results of a finished run."""
        (self.folder / "metrics.json").write_text(json.dumps(metrics))
        (self.folder / "report.html").write_text("<html>")
        (self.folder / "policy").mkdir(exist_ok=True)
        (self.folder / "policy" / "weights.safetensors").write_bytes(b"123")


def client(outputs: Path) -> Any:
    from mlflow import MlflowClient

    return MlflowClient(f"sqlite:///{outputs}/mlflow.db")


def stored(folder: Path) -> Any:
    """Return the MLflow run of a run folder."""
    (store,) = read_sync_state(folder)["stores"].values()
    return client(folder.parent).get_run(store["run_id"])


def points(folder: Path) -> dict[str, list[tuple[int, float]]]:
    """Return the points of a run in the store, by metric, in order of steps."""
    run = stored(folder)
    history_of = defaultdict(list)
    for name in run.data.metrics:
        history = client(folder.parent).get_metric_history(run.info.run_id, name)
        history_of[name] = sorted((point.step, point.value) for point in history)
    return dict(history_of)
