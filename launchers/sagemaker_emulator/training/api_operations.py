"""Operations of the service's API: those on training jobs, Search, tags, and others that moto answers differently."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from typing import Any

from botocore.exceptions import ClientError

from sagemaker_emulator.capacity_and_clients import EmulatorState
from sagemaker_emulator.experiments import moto_gaps, search
from sagemaker_emulator.experiments.job_component import JobComponent
from sagemaker_emulator.job_state import Job
from sagemaker_emulator.protocol.responses_and_errors import AwsError, invalid
from sagemaker_emulator.training.job_run import JobRun
from sagemaker_emulator.training.training_job_rules import check_job, check_quota, check_tags

_SORTED_BY = {"Name": "TrainingJobName", "CreationTime": "CreationTime", "Status": "TrainingJobStatus"}

Parameters = Mapping[str, Any]
Operation = Callable[[Parameters, str], dict[str, Any]]


class TrainingOperations:
    """Operations on the training jobs of all regions."""

    def __init__(self, shared: EmulatorState) -> None:
        """Start without jobs.

        Args:
            shared: shared state of all jobs.
        """
        self._shared = shared
        self._jobs: dict[tuple[str, str], Job] = {}
        self._runs: list[JobRun] = []
        self._lock = threading.Lock()
        self.operations: dict[str, Operation] = {
            "CreateTrainingJob": self.create,
            "DescribeTrainingJob": self.describe,
            "StopTrainingJob": self.stop,
            "ListTrainingJobs": self.list_jobs,
            "Search": self.search,
            "AddTags": self.add_tags,
            "DeleteTags": self.delete_tags,
            "ListTags": self.list_tags,
            "ListTrialComponents": moto_gaps.list_components,
            "BatchPutMetrics": moto_gaps.put_metrics,
            "BatchGetMetrics": moto_gaps.get_metrics,
        }

    def handler(self, operation: str, parameters: Parameters) -> Operation | None:
        """Return the function that answers an operation; None if moto answers it."""
        if operation == "Search" and parameters["Resource"] not in search.KINDS:
            return None
        if operation.endswith("Tags") and ":training-job/" not in parameters["ResourceArn"]:
            return None
        return self.operations.get(operation)

    @property
    def busy(self) -> bool:
        """Whether any job has not finished."""
        return any(not job.finished for job in list(self._jobs.values()))

    def close(self) -> None:
        """Kill the processes of all jobs, and wait for their end."""
        self._shared.closing.set()
        for run in self._runs:
            run.wait()

    def interrupt(self, name: str, kind: str, warning_s: float) -> None:
        """Take the instances of a job away while it trains.

        Args:
            name: the name of the job, in any region.
            kind: ``spot``, or ``internal`` for an internal error of the service.
            warning_s: time between SIGTERM and the loss.

        Raises:
            ValueError: the job does not exist, is not training, or has no spot instances to lose.
        """
        job = next((job for (_, other), job in self._jobs.items() if other == name), None)
        if job is None:
            raise ValueError(f"there is no training job {name}")
        if kind not in ("spot", "internal"):
            raise ValueError(f"kind must be spot or internal, not {kind!r}")
        if kind == "spot" and not job.spot:
            raise ValueError(f"training job {name} does not run on spot instances")
        if job.secondary != "Training":
            raise ValueError(f"training job {name} is {job.secondary}, not Training")
        job.warning_s = warning_s
        job.interruption = kind

    def create(self, parameters: Parameters, region: str) -> dict[str, Any]:
        """Answer CreateTrainingJob."""
        options, name = self._shared.options, parameters["TrainingJobName"]
        s3 = self._shared.clients(region).s3
        check_job(parameters, isolation=options.isolation, bucket_exists=lambda bucket: _exists(s3, bucket))
        with self._lock:
            if (region, name) in self._jobs:
                arn = self._jobs[region, name].arn
                raise AwsError(
                    "ResourceInUse",
                    f"Training job names must be unique within an AWS account and region, and a training job with "
                    f"this name already exists ({arn})",
                )
            job = Job(dict(parameters), region, options.spot_discount)
            check_quota(job, self._jobs.values(), options.quota)
            component = JobComponent(job) if parameters.get("ExperimentConfig") else None
            job.tags = {tag["Key"]: tag["Value"] for tag in parameters.get("Tags") or []}
            job.move("Starting")
            self._jobs[region, name] = job
            self._runs = [run for run in self._runs if not run.finished] + [JobRun(job, self._shared, component)]
        return {"TrainingJobArn": job.arn}

    def describe(self, parameters: Parameters, region: str) -> dict[str, Any]:
        """Answer DescribeTrainingJob."""
        return self._job(parameters["TrainingJobName"], region).describe()

    def stop(self, parameters: Parameters, region: str) -> dict[str, Any]:
        """Answer StopTrainingJob."""
        job = self._job(parameters["TrainingJobName"], region)
        with job.lock:
            if job.finished:
                raise invalid(
                    f"The request was rejected because the training job is in status {job.status}. "
                    "Only a training job that is InProgress can be stopped."
                )
            job.status = "Stopping"
            job.move("Stopping")
            job.stop.set()
        return {}

    def list_jobs(self, parameters: Parameters, region: str) -> dict[str, Any]:
        """Answer ListTrainingJobs."""
        summaries = [job.summary() for job in self._jobs_in(region)]
        selected = [summary for summary in summaries if _is_selected(summary, parameters)]
        name = _SORTED_BY[parameters.get("SortBy", "CreationTime")]
        in_order = search.in_order(selected, name, descending=parameters.get("SortOrder") == "Descending")
        page, token = search.paged(in_order, parameters)
        return {"TrainingJobSummaries": list(page)} | ({"NextToken": token} if token else {})

    def search(self, parameters: Parameters, region: str) -> dict[str, Any]:
        """Answer Search for training jobs and trial components."""
        if parameters["Resource"] == "TrainingJob":
            return search.search(parameters, [job.describe() | {"Tags": _tags(job)} for job in self._jobs_in(region)])
        components = list(moto_gaps.backend(region).trial_components.values())
        return search.search(parameters, [moto_gaps.describe(component, region) for component in components])

    def add_tags(self, parameters: Parameters, region: str) -> dict[str, Any]:
        """Answer AddTags."""
        job = self._tagged(parameters, region)
        tags = job.tags | {tag["Key"]: tag["Value"] for tag in parameters["Tags"]}
        check_tags([{"Key": name} for name in tags])
        job.tags = tags
        return {"Tags": _tags(job)}

    def delete_tags(self, parameters: Parameters, region: str) -> dict[str, Any]:
        """Answer DeleteTags."""
        job = self._tagged(parameters, region)
        job.tags = {name: value for name, value in job.tags.items() if name not in parameters["TagKeys"]}
        return {}

    def list_tags(self, parameters: Parameters, region: str) -> dict[str, Any]:
        """Answer ListTags."""
        page, token = search.paged(_tags(self._tagged(parameters, region)), {"MaxResults": 50} | dict(parameters))
        return {"Tags": list(page)} | ({"NextToken": token} if token else {})

    def _jobs_in(self, region: str) -> list[Job]:
        return [job for (of_region, _), job in list(self._jobs.items()) if of_region == region]

    def _tagged(self, parameters: Parameters, region: str) -> Job:
        return self._job(parameters["ResourceArn"].rpartition("/")[2], region)

    def _job(self, name: str, region: str) -> Job:
        if (region, name) not in self._jobs:
            raise invalid("Requested resource not found.")
        return self._jobs[region, name]


def _tags(job: Job) -> list[dict[str, str]]:
    return [{"Key": name, "Value": value} for name, value in job.tags.items()]


def _is_selected(summary: Mapping[str, Any], parameters: Parameters) -> bool:
    created, modified = summary["CreationTime"].timestamp(), summary["LastModifiedTime"].timestamp()
    return (
        parameters.get("NameContains", "").lower() in summary["TrainingJobName"].lower()
        and parameters.get("StatusEquals") in (None, summary["TrainingJobStatus"])
        and parameters.get("WarmPoolStatusEquals") is None
        and parameters.get("TrainingPlanArnEquals") is None
        and parameters.get("CreationTimeAfter", 0) < created < parameters.get("CreationTimeBefore", float("inf"))
        and parameters.get("LastModifiedTimeAfter", 0)
        < modified
        < parameters.get("LastModifiedTimeBefore", float("inf"))
    )


def _exists(s3: Any, bucket: str) -> bool:
    try:
        s3.head_bucket(Bucket=bucket)
    except ClientError:
        return False
    return True
