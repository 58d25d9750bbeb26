"""Jobs by the SDK's local mode: containers of this machine's Docker engine, one at a time, no service to ask."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

from sagemaker_jobs.aws.job_names import job_name
from sagemaker_jobs.submit.training_jobs import COMPLETED, Jobs

FAILED = "Failed"


class LocalJobs(Jobs):
    """Jobs of this process alone, each at its end once it was begun."""

    def __init__(self, lead: str, output: str, instance_type: str, instance_count: int) -> None:
        """Remember what they run on.

        Args:
            lead: how their names begin.
            output: URI of the folder in S3 that what they leave goes to.
            instance_type: ``local`` or ``local_gpu``.
            instance_count: containers of a job.
        """
        super().__init__(None, lead)
        self._output = output
        self._kind = {"InstanceType": instance_type, "InstanceCount": instance_count}
        self._told: dict[str, dict[str, Any]] = {}

    def look(self) -> None:
        """Do nothing: what there is was begun here."""

    def begin(self, number: int, who: str, send: Callable[[str], None]) -> str:
        """Run a trial's job to its end; returns its name."""
        last, began = self.latest(number, who), time.monotonic()
        name = job_name(self._lead, number, who, last.read.attempt + 1 if last else 0)
        status, reason = COMPLETED, ""
        try:
            send(name)
        except RuntimeError as error:  # by which the SDK tells of a container that failed
            status, reason = FAILED, f"AlgorithmError: {' '.join(str(error).split())[-400:]}; see what it printed above"
        self._told[name] = {
            "TrainingJobName": name,
            "TrainingJobArn": "",
            "TrainingJobStatus": status,
            "FailureReason": reason,
            "TrainingTimeInSeconds": time.monotonic() - began,
            "BillableTimeInSeconds": 0.0,
            "ResourceConfig": self._kind,
            "OutputDataConfig": {"S3OutputPath": self._output},
        }
        self._note(name, status)
        return name

    def describe(self, name: str) -> Mapping[str, Any]:
        """Return what became of a job."""
        return self._told[name]

    def stop(self, name: str) -> None:
        """Do nothing: it has ended."""
