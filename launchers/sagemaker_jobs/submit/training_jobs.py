"""Jobs as the service knows them: found again by their names, begun once, looked at together, stopped."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from battery_lab.common.errors import DataError
from sagemaker_jobs.aws.connection import Connection, code_of, passes
from sagemaker_jobs.aws.job_names import JobName, job_name, read_name
from sagemaker_jobs.submit.training_request import WHO

IN_USE, FULL = "ResourceInUse", "ResourceLimitExceeded"
COMPLETED, STOPPED, STOPPING = "Completed", "Stopped", "Stopping"
UNDER_WAY = ("InProgress", STOPPING)
QUOTA_PAUSE_S, OUTAGE_PAUSE_S = 60.0, 10.0
PAGE = 100


@dataclass(frozen=True)
class Seen:
    """A job in a list of the service.

    Attributes:
        name: of the job.
        read: what the name says.
        status: ``InProgress``, ``Stopping``, ``Completed``, ``Failed`` or ``Stopped``.
    """

    name: str
    read: JobName
    status: str

    @property
    def under_way(self) -> bool:
        """Whether it has not ended."""
        return self.status in UNDER_WAY


class NotYetError(Exception):
    """A job cannot be begun for now.

    Attributes:
        pause_s: after which to ask again, at the soonest.
    """

    def __init__(self, why: str, pause_s: float) -> None:
        """Remember both."""
        super().__init__(why)
        self.pause_s = pause_s


# As the service says how much there is, and how much a job wants beyond what is in use.
QUOTA = re.compile(r"limit '(?P<name>[^']+)' is (?P<limit>[\d.]+).* delta of (?P<wanted>[\d.]+)", re.DOTALL)


def _check_quota(message: str) -> None:
    """Raise DataError where an account's quota has no room for a job even if nothing else runs."""
    found = QUOTA.search(message)
    if found and float(found["limit"]) < float(found["wanted"]):
        raise DataError(
            f"the account's quota '{found['name']}' is {found['limit']}, and a job wants {found['wanted']}: "
            "ask for more (Service Quotas), or choose other instances"
        )


class Jobs:
    """The jobs of a sweep."""

    def __init__(self, connection: Connection | None, lead: str) -> None:
        """Remember which.

        Args:
            connection: to AWS; None for those who never ask it.
            lead: how their names begin.
        """
        self._given, self._lead = connection, lead
        self.seen: dict[str, Seen] = {}

    @property
    def _connection(self) -> Connection:
        assert self._given is not None
        return self._given

    def look(self) -> None:
        """Take in what the service lists, in one request for each hundred jobs, however many are waited for."""
        self.seen |= {job.name: job for job in self._listed()}

    def latest(self, number: int, who: str) -> Seen | None:
        """Return the last attempt at a trial; None if there was none."""
        mine = [job for job in self.seen.values() if (job.read.number, job.read.who) == (number, who)]
        return max(mine, key=lambda job: job.read.attempt, default=None)

    def begin(self, number: int, who: str, send: Callable[[str], None]) -> str:
        """Have a trial's job run, which may be under way or done already; returns its name.

        Args:
            number: of the trial.
            who: digits of what it does.
            send: creates the job of a name; raises what the service answers.

        Raises:
            NotYetError: the account's quota is full, the attempt before is still stopping, or the service is not well.
            DataError: somebody else's job has the name.
        """
        last = self.latest(number, who)
        if last is not None and last.status == STOPPING:
            raise NotYetError("its last job is still stopping", 0)
        if last is not None and (last.under_way or last.status == COMPLETED):
            return last.name
        name = job_name(self._lead, number, who, last.read.attempt + 1 if last else 0)
        try:
            send(name)
        except Exception as error:
            if code_of(error) == FULL:
                _check_quota(str(error))
                raise NotYetError("the account's quota is full", QUOTA_PAUSE_S) from None
            # In use is also the answer to a request that was sent twice, as the first answer was lost.
            if code_of(error) != IN_USE and not (passes(error) and self._is_there(name)):
                if passes(error):
                    raise NotYetError("the service cannot be reached", OUTAGE_PAUSE_S) from None
                raise
            self._check_ours(name, who)
        self._note(name, "InProgress")
        return name

    def describe(self, name: str) -> Mapping[str, Any]:
        """Return all that the service says of a job."""
        told: Mapping[str, Any] = self._connection.paced(
            lambda: self._connection.sagemaker.describe_training_job(TrainingJobName=name)
        )
        self._note(name, told["TrainingJobStatus"])
        return told

    def stop(self, name: str) -> None:
        """Ask a job to stop; one that has ended meanwhile is left alone."""
        try:
            self._connection.paced(lambda: self._connection.sagemaker.stop_training_job(TrainingJobName=name))
        except Exception as error:
            if code_of(error) != "ValidationException" or self.describe(name)["TrainingJobStatus"] == "InProgress":
                raise

    def _is_there(self, name: str) -> bool:
        """Whether the service knows a job, as far as it can be told."""
        try:
            self.describe(name)
        except Exception as error:
            if not passes(error) or code_of(error):
                return False
            raise NotYetError("the service cannot be reached", OUTAGE_PAUSE_S) from None
        return True

    def _check_ours(self, name: str, who: str) -> None:
        told = self.describe(name)
        # The SDK writes hyperparameters as JSON.
        if told.get("HyperParameters", {}).get(WHO, "").strip('"') != who:
            raise DataError(
                f"the job {name} is not this sweep's, although it has the name that it would have: choose another "
                "hydra.sweep.dir"
            )

    def _note(self, name: str, status: str) -> None:
        read = read_name(name)
        if read is not None:
            self.seen[name] = Seen(name, read, status)

    def _listed(self) -> Iterator[Seen]:
        asked: dict[str, Any] = {"NameContains": self._lead, "MaxResults": PAGE}
        asked |= {"SortBy": "CreationTime", "SortOrder": "Descending"}
        while True:
            told = self._connection.paced(partial(self._connection.sagemaker.list_training_jobs, **asked))
            for job in told["TrainingJobSummaries"]:
                read = read_name(job["TrainingJobName"])
                if read is not None and job["TrainingJobName"].startswith(f"{self._lead}-"):
                    yield Seen(job["TrainingJobName"], read, job["TrainingJobStatus"])
            if not told.get("NextToken"):
                return
            asked = {**asked, "NextToken": told["NextToken"]}
