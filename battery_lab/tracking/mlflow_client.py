"""MLflow stores: where they are, and how they are reached."""

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
    """Where runs go.

    Attributes:
        uri: MLflow's tracking URI, with the whole path of a SQLite file.
        experiment: name of the experiment.
        artifacts: URI of the folder for files; None leaves it to a server.
    """

    uri: str
    experiment: str
    artifacts: str | None


def new_client(uri: str) -> Any:
    """Return an MlflowClient that prints nothing, reports to nobody and gives up on a dead server within a minute.

    Raises:
        ConfigError: a managed server is asked for without the plugin by which MLflow reaches it.
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
        # Its plugin signs requests to the server that is set for the whole process.
        mlflow.set_tracking_uri(uri)
    else:
        # That plugin, where it is installed, is asked about every store, and fails for those that are none of its own.
        logging.getLogger("mlflow.tracking.request_header.registry").setLevel(logging.ERROR)
    for logger in ("mlflow", "alembic"):
        logging.getLogger(logger).setLevel(logging.WARNING)
    return MlflowClient(tracking_uri=uri, registry_uri=uri)


def connect(address: Address) -> tuple[Any, str]:
    """Return a client and the identifier of the experiment, both made if need be.

    Two processes that make the same SQLite store at once would both run its migrations, so one waits for the other.
    """
    if not address.uri.startswith("sqlite:///"):
        client = new_client(address.uri)
        return client, _experiment(client, address)
    path = Path(address.uri.removeprefix("sqlite:///").partition("?")[0])
    path.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{path}.lock", timeout=LOCK_S):
        if not path.exists():
            _make_store(path)
        client = new_client(address.uri)
        return client, _experiment(client, address)


def _make_store(path: Path) -> None:
    """Make a SQLite store, whole or not at all.

    MLflow makes one in some dozens of migrations, and a store that was left amid them, by a kill, is of no use to it.
    """
    for unfinished in path.parent.glob(f"{PREFIX}*-{path.name}"):
        unfinished.unlink()
    # Each temporary name is new: MLflow remembers for the life of the process which stores it has made.
    with atomic_path(path) as part:
        new_client(f"sqlite:///{part}").search_experiments(max_results=1)


def _experiment(client: Any, address: Address) -> str:
    from mlflow.exceptions import MlflowException

    found = client.get_experiment_by_name(address.experiment)
    if found is None:
        try:
            return str(client.create_experiment(address.experiment, artifact_location=address.artifacts))
        except MlflowException:
            # Somebody else was quicker, or the store refuses the name, which the next line finds out.
            found = client.get_experiment_by_name(address.experiment)
            if found is None:
                raise
    if found.lifecycle_stage != "active":
        raise ValueError(f"experiment {address.experiment} was deleted in the store: restore it or name another")
    return str(found.experiment_id)
