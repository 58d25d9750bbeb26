"""MLflow run sync: sends whatever the store lacks from a run folder, during a run or later, without duplicates."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from filelock import FileLock

from battery_lab.common.run_folder import RunFolder
from battery_lab.common.trial_digest import trial_digest
from battery_lab.tracking.mlflow_connection import LOCK_S, Address, connect
from battery_lab.tracking.mlflow_params import choices, flat_params, valid_name
from battery_lab.tracking.mlflow_sweep_run import KEY, PARENT, sweep_of, sweep_run
from battery_lab.tracking.mlflow_sync_state import SyncState, read_sync_state, write_sync_state
from battery_lab.tracking.public_address import public
from battery_lab.tracking.run_log import STEPS, TIME, Line, read_lines

METRICS_PER_BATCH, PARAMS_PER_BATCH = 1000, 100

Point = tuple[str, float, int, int]


class RunSync:
    """Sends a run folder to a store, in any number of passes."""

    def __init__(self, folder: Path, name: str, config: Mapping[str, Any], address: Address) -> None:
        """Prepare a sync without a connection.

        If the folder lies in the folder of a sweep, the run becomes a child of the sweep's run.

        Args:
            folder: the run folder.
            name: name of the run in the store.
            config: the composed configuration as plain values.
            address: the store and experiment.
        """
        self.folder, self.name, self.config, self.address = folder, name, config, address
        self._client: Any = None
        self._run: str | None = None
        self._sent: dict[str, int] = {}
        self._latest: dict[str, float] = {}
        self._offset = 0

    def send(self, status: str | None) -> int:
        """Send what is new: curves, and at the end of the run its metrics and files.

        Args:
            status: status of the finished run; None while it trains.

        Returns:
            The number of points that were new to the store.

        Raises:
            Exception: any error of the store; the next pass starts from what the store then holds.
        """
        with FileLock(RunFolder(self.folder).sync_lock, timeout=LOCK_S):
            try:
                if self._run is None:
                    self._open(live=status is None)
                new = self._send_curves()
                if status is not None:
                    new += self._send_points(list(self._final_metrics()))
                    self._send_files()
                    self._client.set_terminated(self._run, status, int(self._end_time() * 1000))
                    self._note(status=status)
                return new
            except BaseException:
                self._run, self._offset = None, 0
                raise

    def _open(self, live: bool) -> None:
        # The key is stored before the run exists, so that a kill between the two leaves no run without its key.
        state = self._note()
        self._client, experiment = connect(self.address)
        stored = self._client.search_runs([experiment], f"tags.`{KEY}` = '{state['key']}'", max_results=1)
        if stored:
            self._run = stored[0].info.run_id
            if live:
                self._client.update_run(self._run, status="RUNNING")
            self._latest = dict(stored[0].data.metrics)
            self._sent = {name: self._last_step(name) for name in self._latest}
            self._send_params(stored[0].data.params)
        else:
            self._run, self._sent, self._latest = self._create(experiment, state), {}, {}
            self._send_params({})
        self._note(run_id=self._run, env_steps=max(self._sent.values(), default=None))

    def _create(self, experiment: str, state: Mapping[str, Any]) -> str:
        tags = {KEY: state["key"], "battery_lab.trial": trial_digest(self.config)}
        tags["battery_lab.folder"] = str(self.folder.resolve())
        tags |= {f"battery_lab.{name}": state[name] for name in ("version", "commit") if name in state}
        if (sweep := sweep_of(self.folder)) is not None:
            tags[PARENT] = sweep_run(self._client, experiment, sweep)
        if "commit" in state:
            tags["mlflow.source.git.commit"] = state["commit"].removesuffix("-dirty")
        lines = read_lines(RunFolder(self.folder).curves)[0]
        start = float(lines[0][TIME] or 0) if lines else time.time()
        run = self._client.create_run(experiment, int(start * 1000), tags=tags, run_name=self.name)
        return str(run.info.run_id)

    def _last_step(self, name: str) -> int:
        return max((point.step for point in self._client.get_metric_history(self._run, name)), default=-1)

    def _send_params(self, there: Mapping[str, str]) -> None:
        """Send parameters that the store lacks. MLflow keeps the first value, so changed values become tags.

        Options are also tags, because the tables of MLflow group and filter by tags.
        """
        from mlflow.entities import Param, RunTag

        params = flat_params(self.config)
        new = [Param(name, value) for name, value in params.items() if name not in there]
        for chunk in _chunks(new, PARAMS_PER_BATCH):
            self._client.log_batch(self._run, params=chunk)
        changed = [RunTag(f"resumed.{n}"[:250], v) for n, v in params.items() if n in there and there[n] != v]
        chosen = [RunTag(name, value) for name, value in choices(self.config).items()]
        for chunk in _chunks(changed + chosen, PARAMS_PER_BATCH):
            self._client.log_batch(self._run, tags=chunk)

    def _send_curves(self) -> int:
        lines, self._offset = read_lines(RunFolder(self.folder).curves, self._offset)
        return self._send_points([point for line in lines for point in _points(line)])

    def _send_points(self, points: Sequence[Point]) -> int:
        """Send the points that are later than the last one in the store; returns their number."""
        from mlflow.entities import Metric

        new = []
        for name, value, at, step in points:
            if step > self._sent.get(name, -1):
                self._sent[name], self._latest[name] = step, value
                new.append(Metric(name, value, at, step))
        for chunk in _chunks(new, METRICS_PER_BATCH):
            self._client.log_batch(self._run, metrics=chunk)
        if new:
            self._note(env_steps=max(point.step for point in new))
        return len(new)

    def _final_metrics(self) -> Iterator[Point]:
        """Yield ``metrics.json`` as points at the end of training.

        A metric that is also a curve (the best validation beside each validation) is placed one step after the curve:
        tables show the last point of a metric.
        """
        path = RunFolder(self.folder).metrics
        if not path.is_file():
            return
        metrics = json.loads(path.read_text())
        end, at = int(metrics.get("train/env_steps") or 0), int(path.stat().st_mtime * 1000)
        for key, value in metrics.items():
            name = valid_name(key)
            if value is not None and math.isfinite(value) and self._latest.get(name) != value:
                yield name, float(value), at, max(end, self._sent.get(name, -1) + 1)

    def _send_files(self) -> None:
        run = RunFolder(self.folder)
        for path in (run.metrics, run.report):
            if path.is_file():
                self._client.log_artifact(self._run, str(path))
        if run.policy.is_dir():
            self._client.log_artifacts(self._run, str(run.policy), run.policy.name)
        if run.trial.is_file():
            uri = self.address.uri
            self._client.log_text(self._run, run.trial.read_text().replace(uri, public(uri)), run.trial.name)

    def _end_time(self) -> float:
        """Return the unix time at which the last result was written."""
        paths = [RunFolder(self.folder).metrics, RunFolder(self.folder).curves]
        return max((path.stat().st_mtime for path in paths if path.is_file()), default=time.time())

    def _note(self, **facts: str | int | None) -> SyncState:
        """Store what was sent."""
        state, uri = read_sync_state(self.folder), public(self.address.uri)
        place = {"experiment": self.address.experiment, "artifacts": self.address.artifacts}
        known = state["stores"].get(uri, {})
        if known.get("experiment") != self.address.experiment:
            known = {"run_id": None, "env_steps": None}
        state["stores"][uri] = {**known, **place, **facts}
        write_sync_state(self.folder, state)
        return state


def is_synced(folder: Path, address: Address) -> bool:
    """Return whether a store holds all results of a finished run."""
    sent = read_sync_state(folder)["stores"].get(public(address.uri), {})
    return bool(sent.get("experiment") == address.experiment and sent.get("status") == "FINISHED")


def _points(line: Line) -> Iterator[Point]:
    """Yield the points of a line of the curves. MLflow has no nulls."""
    for name, value in line.items():
        if name not in (STEPS, TIME) and value is not None:
            yield valid_name(name), value, int((line.get(TIME) or 0) * 1000), int(line[STEPS] or 0)


def _chunks(items: Sequence[Any], size: int) -> Iterator[list[Any]]:
    for start in range(0, len(items), size):
        yield list(items[start : start + size])
