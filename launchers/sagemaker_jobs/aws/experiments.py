"""SageMaker Experiments: the experiment of a sweep, its name and its creation."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from sagemaker_jobs.aws.connection import Connection
from sagemaker_jobs.aws.errors import error_code
from sagemaker_jobs.options.field_types import MAX_EXPERIMENT_LENGTH

EXISTS = ("already exists", "must be unique")


def create_experiment(connection: Connection, name: str) -> None:
    """Create an experiment and a trial of the same name in it, for what the service logs about jobs."""
    client = connection.sagemaker
    calls: tuple[tuple[Callable[..., Any], Mapping[str, str]], ...] = (
        (client.create_experiment, {"ExperimentName": name}),
        (client.create_trial, {"TrialName": name, "ExperimentName": name}),
    )
    for create, names in calls:
        try:
            create(**names)
        except Exception as error:
            if error_code(error) != "ResourceInUse" and not any(words in str(error) for words in EXISTS):
                raise


def experiment_name(sweep: str) -> str:
    """Return the name of an experiment for a sweep, in lower case like the SDK's; keeps the digest at the end."""
    name = re.sub(r"[^a-z0-9]+", "-", sweep.lower()).strip("-") or "sweep"
    if len(name) <= MAX_EXPERIMENT_LENGTH:
        return name
    start, end = name[: MAX_EXPERIMENT_LENGTH - 9].rstrip("-"), name[-8:].strip("-")
    return f"{start}-{end}"
