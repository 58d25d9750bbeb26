"""Tracking with MLflow: a thread sends the run folder piece by piece, and training never waits for it."""

from __future__ import annotations

import re
import sys
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from battery_lab.common.errors import ConfigError, require
from battery_lab.tracking import Status, Tracking
from battery_lab.tracking.mlflow_client import Address
from battery_lab.tracking.mlflow_sweep_run import end_sweep_run
from battery_lab.tracking.mlflow_sync import Delivery, is_delivered
from battery_lab.tracking.sync_state import public, read_receipt, source_tags, write_receipt

SQLITE = "sqlite:///"
MANAGED = re.compile(r"arn:aws[a-z-]*:sagemaker:[a-z0-9-]+:\d{12}:mlflow-tracking-server/\S+")
SLOWEST_RETRY_S = 60.0


@dataclass(frozen=True, kw_only=True)
class MlflowTracking:
    """A choice of conf/tracking.

    Attributes:
        uri: MLflow's tracking URI, or the ARN of a managed server (extra aws); relative paths of SQLite files count
            from the working directory.
        experiment: name of the experiment that runs are put into.
        artifacts: folder or URI of files, where ``uri`` is a database; a server has its own place.
        flush_every_s: seconds between two batches.
        finish_within_s: seconds that the end of a run waits for MLflow at most.
    """

    uri: str
    experiment: str
    artifacts: str
    flush_every_s: float
    finish_within_s: float

    def __post_init__(self) -> None:
        require(bool(self.experiment.strip()), "tracking.experiment", "must be a name", self.experiment)
        require(bool(self.artifacts.strip()), "tracking.artifacts", "must be a folder or a URI", self.artifacts)
        for name in ("flush_every_s", "finish_within_s"):
            require(getattr(self, name) > 0, f"tracking.{name}", "must be greater than 0 s", getattr(self, name))
        known = self.uri.startswith(("http://", "https://", SQLITE)) or MANAGED.fullmatch(self.uri) is not None
        rule = "must be sqlite:///<file>, http(s)://<host>:<port> or the ARN of a tracking server of SageMaker"
        require(known, "tracking.uri", rule, public(self.uri))
        if self.uri.startswith("http") and public(self.uri) != self.uri:
            raise ConfigError(
                f"tracking.uri must not carry a user, password or query, which would be kept with every run: say "
                f"tracking.uri={public(self.uri)} and set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD"
            )

    def address(self) -> Address:
        """Return where runs go, with whole paths."""
        if not self.uri.startswith(SQLITE):
            return Address(self.uri, self.experiment, None)
        artifacts = self.artifacts if "://" in self.artifacts else Path(self.artifacts).resolve().as_uri()
        path, sign, query = self.uri.removeprefix(SQLITE).partition("?")
        return Address(f"{SQLITE}{Path(path).resolve()}{sign}{query}", self.experiment, artifacts)

    def start(self, folder: Path, name: str, config: Mapping[str, Any]) -> Tracking:
        """Begin to send a run folder from a thread of its own."""
        return _Sender(self._delivery(folder, name, config), self.flush_every_s, self.finish_within_s)

    def end_sweep(
        self, sweep: Path, done: Mapping[Path, Mapping[str, Any]], status: Status, figures: Mapping[str, float]
    ) -> None:
        """Send what trials were killed before they could, and end the sweep's own run."""
        address = self.address()
        try:
            for folder, config in done.items():
                if not is_delivered(folder, address):
                    self._delivery(folder, folder.name, config).send("FINISHED")
            end_sweep_run(address, sweep, status, figures)
        except Exception as error:  # Whatever a store can raise, the sweep is done.
            why, where = reason(error, self.uri), public(self.uri)
            line = f"MLflow at {where} does not hold the whole sweep ({why}); the same command sends the rest"
            print(line, file=sys.stderr, flush=True)

    def _delivery(self, folder: Path, name: str, config: Mapping[str, Any]) -> Delivery:
        return Delivery(folder, name, config, self.address())


class _Sender:
    """The thread that sends what the run folder has gained, every few seconds and at the end."""

    def __init__(self, delivery: Delivery, flush_every_s: float, finish_within_s: float) -> None:
        self._delivery, self._flush_every_s, self._finish_within_s = delivery, flush_every_s, finish_within_s
        self._ended = threading.Event()
        self._status: Status | None = None
        self._told = False
        # A daemon: a store that hangs must not keep the process from ending.
        self._thread = threading.Thread(target=self._send_all, name="mlflow", daemon=True)
        self._thread.start()

    def log(self, metrics: Mapping[str, float], env_steps: int) -> None:
        """Do nothing: the thread reads the curves from the folder."""

    def finish(self, status: Status) -> None:
        """Send the rest, and wait for it within bounds."""
        self._status = status
        self._ended.set()
        self._thread.join(self._finish_within_s)
        if self._thread.is_alive():
            self._remember({"status": status})
            self._tell(f"no answer within {self._finish_within_s:g} s")

    def _send_all(self) -> None:
        self._remember({"status": None, **source_tags()})
        pause = self._flush_every_s
        while not self._ended.wait(pause):
            pause = self._flush_every_s if self._try(None) else min(2 * pause, SLOWEST_RETRY_S)
        self._remember({"status": self._status})
        self._try(self._status)

    def _remember(self, facts: Mapping[str, str | None]) -> None:
        folder = self._delivery.folder
        try:
            write_receipt(folder, {**read_receipt(folder), **facts})
        except OSError as error:
            self._tell(str(error))

    def _try(self, status: Status | None) -> bool:
        try:
            self._delivery.send(status)
        except Exception as error:  # Whatever a store can raise, training goes on.
            self._tell(reason(error, self._delivery.address.uri))
            return False
        return True

    def _tell(self, why: str) -> None:
        """Say once what happened and what to do."""
        if not self._told:
            self._told = True
            where, folder = public(self._delivery.address.uri), self._delivery.folder
            later = f"battery-lab sync run={folder}"
            line = f"MLflow at {where} does not get this run for now ({why}); all is kept, to send it later: {later}"
            print(line, file=sys.stderr, flush=True)


def reason(error: Exception, uri: str) -> str:
    """Return one line on why a store failed, without what its address may hide."""
    text = (str(error).strip() or type(error).__name__).splitlines()[0]
    secret = uri.partition("://")[2].rpartition("@")[0]
    for hidden in (uri, secret, secret.partition(":")[2]):
        text = text.replace(hidden, "***") if hidden else text
    return text if len(text) <= 200 else text[:199] + "…"
