"""MLflow tracking: a thread sends the run folder in batches, and training never waits for it."""

from __future__ import annotations

import re
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

from battery_lab.common.errors import ConfigError, require
from battery_lab.common.validated_options import Unit, options
from battery_lab.tracking import Status, Tracking
from battery_lab.tracking.mlflow_connection import Address
from battery_lab.tracking.mlflow_sweep_run import finish_sweep_run
from battery_lab.tracking.mlflow_sync_state import public, read_sync_state, source_tags, write_sync_state
from battery_lab.tracking.mlflow_upload import RunSync, is_synced

SQLITE = "sqlite:///"
MANAGED = re.compile(r"arn:aws[a-z-]*:sagemaker:[a-z0-9-]+:\d{12}:mlflow-tracking-server/\S+")
SLOWEST_RETRY_S = 60.0


@options("tracking")
class MlflowTracking:
    """The option ``tracking=mlflow``.

    Attributes:
        uri: MLflow's tracking URI, or the ARN of a managed server (extra aws). The path of a SQLite file may be
            relative to the working directory.
        experiment: name of the experiment.
        artifacts: folder or URI of files if ``uri`` is a SQLite file; a server has a folder of its own.
        flush_every_s: time between two batches.
        finish_within_s: the longest time that the end of a run waits for MLflow.
    """

    uri: str
    experiment: str
    artifacts: str
    flush_every_s: Annotated[float, Field(gt=0), Unit("s")]
    finish_within_s: Annotated[float, Field(gt=0), Unit("s")]

    def __post_init__(self) -> None:
        require(bool(self.experiment.strip()), "tracking.experiment", "must be a name", self.experiment)
        require(bool(self.artifacts.strip()), "tracking.artifacts", "must be a folder or a URI", self.artifacts)
        supported = self.uri.startswith(("http://", "https://", SQLITE)) or MANAGED.fullmatch(self.uri) is not None
        rule = "must be sqlite:///<file>, http(s)://<host>:<port> or the ARN of a SageMaker tracking server"
        require(supported, "tracking.uri", rule, public(self.uri))
        if self.uri.startswith("http") and public(self.uri) != self.uri:
            raise ConfigError(
                f"tracking.uri must not contain a user, password or query, which would be stored with every run: use "
                f"tracking.uri={public(self.uri)} and set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD"
            )

    def address(self) -> Address:
        """Return the address of the store, with absolute paths."""
        if not self.uri.startswith(SQLITE):
            return Address(self.uri, self.experiment, None)
        artifacts = self.artifacts if "://" in self.artifacts else Path(self.artifacts).resolve().as_uri()
        path, sign, query = self.uri.removeprefix(SQLITE).partition("?")
        return Address(f"{SQLITE}{Path(path).resolve()}{sign}{query}", self.experiment, artifacts)

    def start(self, folder: Path, name: str, config: Mapping[str, Any]) -> Tracking:
        """Start a thread that sends the run folder."""
        return _Sender(self._sync(folder, name, config), self.flush_every_s, self.finish_within_s)

    def end_sweep(
        self, sweep: Path, done: Mapping[Path, Mapping[str, Any]], status: Status, figures: Mapping[str, float]
    ) -> None:
        """Send the finished trials that the store lacks, and end the run of the sweep."""
        address = self.address()
        try:
            for folder, config in done.items():
                if not is_synced(folder, address):
                    self._sync(folder, folder.name, config).send("FINISHED")
            finish_sweep_run(address, sweep, status, figures)
        except Exception as error:  # The sweep is done, whatever the store raises.
            why, where = reason(error, self.uri), public(self.uri)
            line = f"MLflow at {where} does not hold the whole sweep ({why}); the same command sends the rest"
            print(line, file=sys.stderr, flush=True)

    def _sync(self, folder: Path, name: str, config: Mapping[str, Any]) -> RunSync:
        return RunSync(folder, name, config, self.address())


class _Sender:
    """Sends what is new in the run folder, every few seconds and at the end."""

    def __init__(self, sync: RunSync, flush_every_s: float, finish_within_s: float) -> None:
        self._sync, self._flush_every_s, self._finish_within_s = sync, flush_every_s, finish_within_s
        self._end = threading.Event()
        self._status: Status | None = None
        self._reported = False
        # A daemon thread: a store that hangs must not keep the process alive.
        self._thread = threading.Thread(target=self._send_all, name="mlflow", daemon=True)
        self._thread.start()

    def log(self, metrics: Mapping[str, float], env_steps: int) -> None:
        """Do nothing: the thread reads the curves from the folder."""

    def finish(self, status: Status) -> None:
        """Send the rest, and wait for at most ``finish_within_s``."""
        self._status = status
        self._end.set()
        self._thread.join(self._finish_within_s)
        if self._thread.is_alive():
            self._store({"status": status})
            self._report(f"no answer within {self._finish_within_s:g} s")

    def _send_all(self) -> None:
        self._store({"status": None, **source_tags()})
        pause = self._flush_every_s
        while not self._end.wait(pause):
            pause = self._flush_every_s if self._try(None) else min(2 * pause, SLOWEST_RETRY_S)
        self._store({"status": self._status})
        self._try(self._status)

    def _store(self, facts: Mapping[str, str | None]) -> None:
        folder = self._sync.folder
        try:
            write_sync_state(folder, {**read_sync_state(folder), **facts})
        except OSError as error:
            self._report(str(error))

    def _try(self, status: Status | None) -> bool:
        try:
            self._sync.send(status)
        except Exception as error:  # Training continues, whatever the store raises.
            self._report(reason(error, self._sync.address.uri))
            return False
        return True

    def _report(self, why: str) -> None:
        """Print once what happened and what to do."""
        if not self._reported:
            self._reported = True
            where, folder = public(self._sync.address.uri), self._sync.folder
            later = f"battery-lab sync run={folder}"
            line = f"MLflow at {where} cannot be reached ({why}); all results are kept, send them later with: {later}"
            print(line, file=sys.stderr, flush=True)


def reason(error: Exception, uri: str) -> str:
    """Return one line on why a store failed, without the credentials of its address."""
    text = (str(error).strip() or type(error).__name__).splitlines()[0]
    secret = uri.partition("://")[2].rpartition("@")[0]
    for hidden in (uri, secret, secret.partition(":")[2]):
        text = text.replace(hidden, "***") if hidden else text
    return text if len(text) <= 200 else text[:199] + "…"
