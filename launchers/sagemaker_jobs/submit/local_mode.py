"""Jobs in the SDK's local mode: containers of this machine's Docker engine, one at a time, without a service."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

from sagemaker_jobs.aws.job_names import job_name
from sagemaker_jobs.submit.training_jobs import COMPLETED, TrainingJobs

FAILED = "Failed"


class LocalModeJobs(TrainingJobs):
    """Jobs of this process only; each runs to its end when it is started."""

    def __init__(self, name_prefix: str, output: str, instance_type: str, instance_count: int) -> None:
        """Store what jobs run on.

        Args:
            name_prefix: the prefix of their names.
            output: URI of the S3 folder for their output.
            instance_type: ``local`` or ``local_gpu``.
            instance_count: containers per job.
        """
        super().__init__(None, name_prefix)
        self._output = output
        self._resources = {"InstanceType": instance_type, "InstanceCount": instance_count}
        self._descriptions: dict[str, dict[str, Any]] = {}

    def refresh(self) -> None:
        """Do nothing: all jobs were started here."""

    def start(self, number: int, digest: str, send: Callable[[str], None]) -> str:
        """Run a trial's job to its end; returns its name."""
        last, started = self.latest(number, digest), time.monotonic()
        name = job_name(self._name_prefix, number, digest, last.parts.attempt + 1 if last else 0)
        status, reason = COMPLETED, ""
        try:
            send(name)
        except RuntimeError as error:  # the SDK's error for a container that failed
            status, reason = FAILED, f"AlgorithmError: {' '.join(str(error).split())[-400:]}; see its output above"
        self._descriptions[name] = {
            "TrainingJobName": name,
            "TrainingJobArn": "",
            "TrainingJobStatus": status,
            "FailureReason": reason,
            "TrainingTimeInSeconds": time.monotonic() - started,
            "BillableTimeInSeconds": 0.0,
            "ResourceConfig": self._resources,
            "OutputDataConfig": {"S3OutputPath": self._output},
        }
        self._update(name, status)
        return name

    def describe(self, name: str) -> Mapping[str, Any]:
        return self._descriptions[name]

    def stop(self, name: str) -> None:
        """Do nothing: the job has finished."""
