"""Dry runs: what a sweep would send and cost, before anything is sent."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from sagemaker_jobs.aws.connection import Connection
from sagemaker_jobs.aws.job_names import job_name
from sagemaker_jobs.options.job_options import JobOptions
from sagemaker_jobs.submit.trial_sender import Sender

HIDDEN = "***"  # in place of values that may be secret


class DryRun:
    """Base of pools that can show their jobs before they send them."""

    def __init__(self, options: JobOptions, connection: Connection, sender: Sender) -> None:
        """Store the parts.

        Args:
            options: the options of all jobs.
            connection: the connection to AWS.
            sender: prepares trials and creates their jobs.
        """
        self._options, self._connection, self._sender = options, connection, sender

    @property
    def trial_resources(self) -> str:
        """The instances and the largest cost of a trial, in words."""
        hosts = " and ".join(f"{group.count} x {group.type}" for group in self._options.groups)
        most = self._options.max_cost()
        cost = "" if most is None else f", at most {most:.2f} {self._options.currency}"
        return f"{hosts}{' spot' if self._options.spot else ''}{cost}"

    def validate(self, job: Any) -> None:
        """Raise ConfigError if a trial cannot be sent."""
        self._sender.validate(job)

    def cost_limit(self, trials: int, tries: int) -> str:
        """Return the largest cost of a number of trials, in words; empty if a price is unknown."""
        most = self._options.max_cost()
        if most is None:
            return ""
        repeated = f", with {tries} attempts each" if tries > 1 else ""
        return f"at most {most * trials * tries:.2f} {self._options.currency} for {trials} jobs{repeated}\n"

    def preview(self, number: int, folder: Path, job: Any) -> str:
        """Return the request that would create a trial's job, as JSON; nothing is sent."""
        prepared = self._sender.prepare(number, folder, job)
        self._sender.open()
        name = job_name(self._sender.layout.name_prefix, number, prepared.digest, 0)
        with captured_requests(self._connection) as requests:
            self._sender.send(name, prepared)
        request = requests[0]
        hidden = {variable: HIDDEN for variable in self._options.environment}
        return json.dumps(request | {"Environment": request["Environment"] | hidden}, indent=2)


class _CapturedError(Exception):
    """Ends a request before it is sent."""


@contextmanager
def captured_requests(connection: Connection) -> Iterator[list[dict[str, Any]]]:
    """Capture the first CreateTrainingJob request instead of sending it; yields the list that will hold it."""
    requests: list[dict[str, Any]] = []

    def capture(params: dict[str, Any], **_: Any) -> None:
        requests.append(params)
        raise _CapturedError

    if connection.local:
        # Local mode has its own client, without boto3's events.
        client = connection.sdk.sagemaker_client
        client.create_training_job = lambda **params: capture(params)
        try:
            with suppress(_CapturedError):
                yield requests
        finally:
            del client.create_training_job
        return
    events, name = connection.sagemaker.meta.events, "provide-client-params.sagemaker.CreateTrainingJob"
    events.register(name, capture)
    try:
        with suppress(_CapturedError):
            yield requests
    finally:
        events.unregister(name, capture)
