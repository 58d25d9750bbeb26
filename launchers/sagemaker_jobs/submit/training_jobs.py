"""Training jobs of a sweep as the service lists them: found by name, created once, polled together, stopped."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from battery_lab.common.errors import DataError
from sagemaker_jobs.aws.connection import Connection
from sagemaker_jobs.aws.errors import error_code, is_transient
from sagemaker_jobs.aws.job_names import JobName, job_name, parse_job_name
from sagemaker_jobs.submit.training_request import DIGEST

NAME_IN_USE, QUOTA_FULL = "ResourceInUse", "ResourceLimitExceeded"
COMPLETED, STOPPED, STOPPING, IN_PROGRESS = "Completed", "Stopped", "Stopping", "InProgress"
RUNNING = (IN_PROGRESS, STOPPING)
QUOTA_PAUSE_S, OUTAGE_PAUSE_S = 60.0, 10.0
PAGE = 100  # jobs per list request
QUOTA_MESSAGE = re.compile(
    r"limit '(?P<name>[^']+)' is (?P<limit>[\d.]+).* delta of (?P<requested>[\d.]+)",
    re.DOTALL,
)


@dataclass(frozen=True)
class ListedJob:
    """A job in a list of the service.

    Attributes:
        name: the name of the job.
        parts: the parts of the name.
        status: ``InProgress``, ``Stopping``, ``Completed``, ``Failed`` or ``Stopped``.
    """

    name: str
    parts: JobName
    status: str

    @property
    def running(self) -> bool:
        """Whether the job has not finished."""
        return self.status in RUNNING


class JobPostponedError(Exception):
    """A job cannot be created yet.

    Attributes:
        pause_s: time until the next attempt makes sense.
    """

    def __init__(self, reason: str, pause_s: float) -> None:
        super().__init__(reason)
        self.pause_s = pause_s


def raise_if_quota_too_small(message: str) -> None:
    """Raise DataError if an account's quota is too small for a job even if nothing else runs.

    Args:
        message: the message of the service, which refused to create a job.
    """
    match = QUOTA_MESSAGE.search(message)
    if match and float(match["limit"]) < float(match["requested"]):
        raise DataError(
            f"the account's quota '{match['name']}' is {match['limit']}, and a job needs {match['requested']}: ask for "
            "more (Service Quotas), or choose other instances"
        )


class TrainingJobs:
    """The training jobs of a sweep."""

    def __init__(self, connection: Connection | None, name_prefix: str) -> None:
        """Store how to reach the jobs.

        Args:
            connection: the connection to AWS; None for jobs that the service does not know.
            name_prefix: the prefix of their names.
        """
        self._optional_connection, self._name_prefix = connection, name_prefix
        self.listed: dict[str, ListedJob] = {}

    @property
    def _connection(self) -> Connection:
        assert self._optional_connection is not None
        return self._optional_connection

    def refresh(self) -> None:
        """List the jobs, in one request per hundred of them."""
        self.listed |= {job.name: job for job in self._list()}

    def latest(self, number: int, digest: str) -> ListedJob | None:
        """Return the last attempt at a trial; None if there was none."""
        attempts = [job for job in self.listed.values() if (job.parts.number, job.parts.digest) == (number, digest)]
        return max(attempts, key=lambda job: job.parts.attempt, default=None)

    def start(self, number: int, digest: str, send: Callable[[str], None]) -> str:
        """Create a trial's job, unless one is running or completed; returns its name.

        Args:
            number: the number of the trial.
            digest: the digest of the trial and the lab's source.
            send: creates the job with a given name, and raises the errors of the service.

        Raises:
            JobPostponedError: the account's quota is full, the last attempt is still stopping, or the service cannot
                be reached.
            DataError: another job has the name, or the quota is too small for any job.
        """
        last = self.latest(number, digest)
        if last is not None and last.status == STOPPING:
            raise JobPostponedError("its last job is still stopping", 0)
        if last is not None and (last.running or last.status == COMPLETED):
            return last.name
        name = job_name(self._name_prefix, number, digest, last.parts.attempt + 1 if last else 0)
        try:
            send(name)
        except Exception as error:
            if error_code(error) == QUOTA_FULL:
                raise_if_quota_too_small(str(error))
                raise JobPostponedError("the account's quota is full", QUOTA_PAUSE_S) from None
            # The name is also in use if the request was repeated because its first answer was lost.
            if error_code(error) != NAME_IN_USE and not (is_transient(error) and self._exists(name)):
                if is_transient(error):
                    raise JobPostponedError("the service cannot be reached", OUTAGE_PAUSE_S) from None
                raise
            self._check_digest(name, digest)
        self._update(name, IN_PROGRESS)
        return name

    def describe(self, name: str) -> Mapping[str, Any]:
        """Return the service's answer to DescribeTrainingJob."""
        description: Mapping[str, Any] = self._connection.sagemaker.describe_training_job(TrainingJobName=name)
        self._update(name, description["TrainingJobStatus"])
        return description

    def stop(self, name: str) -> None:
        """Ask a job to stop; does nothing if the job has finished meanwhile."""
        try:
            self._connection.sagemaker.stop_training_job(TrainingJobName=name)
        except Exception as error:
            if error_code(error) != "ValidationException" or self.describe(name)["TrainingJobStatus"] == IN_PROGRESS:
                raise

    def _exists(self, name: str) -> bool:
        try:
            self.describe(name)
        except Exception as error:
            if not is_transient(error) or error_code(error):
                return False
            raise JobPostponedError("the service cannot be reached", OUTAGE_PAUSE_S) from None
        return True

    def _check_digest(self, name: str, digest: str) -> None:
        # The SDK writes hyperparameters as JSON.
        if self.describe(name).get("HyperParameters", {}).get(DIGEST, "").strip('"') != digest:
            raise DataError(f"the job {name} exists and is not of this sweep: choose another hydra.sweep.dir")

    def _update(self, name: str, status: str) -> None:
        parts = parse_job_name(name)
        if parts is not None:
            self.listed[name] = ListedJob(name, parts, status)

    def _list(self) -> Iterator[ListedJob]:
        request: dict[str, Any] = {"NameContains": self._name_prefix, "MaxResults": PAGE}
        request |= {"SortBy": "CreationTime", "SortOrder": "Descending"}
        while True:
            page = self._connection.sagemaker.list_training_jobs(**request)
            for job in page["TrainingJobSummaries"]:
                parts = parse_job_name(job["TrainingJobName"])
                if parts is not None and job["TrainingJobName"].startswith(f"{self._name_prefix}-"):
                    yield ListedJob(job["TrainingJobName"], parts, job["TrainingJobStatus"])
            if not page.get("NextToken"):
                return
            request = {**request, "NextToken": page["NextToken"]}
