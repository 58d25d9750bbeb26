"""MLflow connection: addresses of stores, and clients for them."""

from __future__ import annotations

import logging
import os
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from filelock import FileLock

from battery_lab.common.atomic_write import PREFIX, atomic_path
from battery_lab.common.errors import ConfigError

LOCK_S = 60.0


@dataclass(frozen=True)
class Address:
    """An experiment in a store.

    Attributes:
        uri: MLflow's tracking URI; the path of a SQLite file is absolute.
        experiment: name of the experiment.
        artifacts: URI of the folder for files; None: the server chooses it.
    """

    uri: str
    experiment: str
    artifacts: str | None


def new_client(uri: str) -> Any:
    """Return an MlflowClient that prints nothing, sends no telemetry and gives up on a dead server within a minute.

    Raises:
        ConfigError: the plugin for a managed server is not installed.
    """
    for name, value in {
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "DO_NOT_TRACK": "true",
        "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
        "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
        "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",
        "MLFLOW_HTTP_REQUEST_TIMEOUT": "20",
    }.items():
        os.environ.setdefault(name, value)
    import mlflow
    from mlflow import MlflowClient

    if uri.startswith("arn:"):
        if find_spec("sagemaker_mlflow") is None:
            raise ConfigError(f"tracking.uri={uri} needs the extra aws, which is not installed: make setup-aws")
        # The plugin signs requests to the tracking URI of the process.
        mlflow.set_tracking_uri(uri)
    else:
        # If the plugin is installed, MLflow calls it for every store; it logs an error for stores of other kinds.
        logging.getLogger("mlflow.tracking.request_header.registry").setLevel(logging.ERROR)
    for logger in ("mlflow", "alembic"):
        logging.getLogger(logger).setLevel(logging.WARNING)
    return MlflowClient(tracking_uri=uri, registry_uri=uri)


def connect(address: Address) -> tuple[Any, str]:
    """Return a client and the identifier of the experiment; store and experiment are created if missing.

    Two processes that create the same SQLite store would both run its migrations, so one waits for the other.
    """
    if not address.uri.startswith("sqlite:///"):
        client = new_client(address.uri)
        return client, _experiment(client, address)
    path = Path(address.uri.removeprefix("sqlite:///").partition("?")[0])
    path.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{path}.lock", timeout=LOCK_S):
        if not path.exists():
            _create_store(path)
        client = new_client(address.uri)
        return client, _experiment(client, address)


def _create_store(path: Path) -> None:
    # MLflow creates a store in dozens of migrations, and cannot use one that a kill left between them.
    for unfinished in path.parent.glob(f"{PREFIX}*-{path.name}"):
        unfinished.unlink()
    # The temporary name is new each time: MLflow does not create a store twice in one process.
    with atomic_path(path) as part:
        new_client(f"sqlite:///{part}").search_experiments(max_results=1)


def _experiment(client: Any, address: Address) -> str:
    from mlflow.exceptions import MlflowException

    stored = client.get_experiment_by_name(address.experiment)
    if stored is None:
        try:
            return str(client.create_experiment(address.experiment, artifact_location=address.artifacts))
        except MlflowException:
            # Another process created it first, or the store rejects the name.
            stored = client.get_experiment_by_name(address.experiment)
            if stored is None:
                raise
    if stored.lifecycle_stage != "active":
        raise ValueError(f"experiment {address.experiment} was deleted in the store: restore it or choose another")
    return str(stored.experiment_id)
