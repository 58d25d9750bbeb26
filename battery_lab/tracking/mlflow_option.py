"""MLflow option: ``tracking=mlflow``, the checks of its address, and the end of a sweep."""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

from battery_lab.common.errors import ConfigError, require
from battery_lab.common.validated_options import Highest, Unit, options
from battery_lab.tracking import Status, Tracking
from battery_lab.tracking.mlflow_connection import Address
from battery_lab.tracking.mlflow_run_sync import RunSync, is_synced
from battery_lab.tracking.mlflow_sender_process import MlflowSenderProcess
from battery_lab.tracking.mlflow_sender_thread import reason
from battery_lab.tracking.mlflow_sweep_run import finish_sweep_run
from battery_lab.tracking.public_address import public

SQLITE = "sqlite:///"
MANAGED = re.compile(r"arn:aws[a-z-]*:sagemaker:[a-z0-9-]+:\d{12}:mlflow-tracking-server/\S+")


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
    flush_every_s: Annotated[float, Field(gt=0), Highest(86_400), Unit("s")]
    finish_within_s: Annotated[float, Field(gt=0), Highest(86_400), Unit("s")]

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
        """Start a process that sends the run folder."""
        return MlflowSenderProcess(self._sync(folder, name, config), self.flush_every_s, self.finish_within_s)

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
