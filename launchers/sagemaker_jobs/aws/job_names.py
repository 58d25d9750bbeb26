"""What jobs and the places of a sweep in S3 are called: the same again wherever the same sweep is begun."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass

from battery_lab.common.errors import DataError

LEAD = "battery-lab"
DIGITS, WHO = 8, 16
JOB = re.compile(rf"{LEAD}-[0-9a-f]{{{DIGITS}}}-(\d+)-([0-9a-f]{{{WHO}}})-(\d+)")


@dataclass(frozen=True)
class JobName:
    """The name of a job, read.

    Attributes:
        number: of the trial in its sweep.
        who: digits of its identity and the lab's source.
        attempt: from 0; another one is begun where the one before failed or was stopped.
    """

    number: int
    who: str
    attempt: int


def sweep_lead(sweep: str, bucket: str, prefix: str) -> str:
    """Return how the names of all jobs of a sweep begin.

    Args:
        sweep: name of its folder, which follows from what is swept.
        bucket: where its files lie.
        prefix: of their keys.
    """
    return f"{LEAD}-{hashlib.sha256(f'{bucket}/{prefix}/{sweep}'.encode()).hexdigest()[:DIGITS]}"


def who(identity: str, source: str) -> str:
    """Return digits of what a job does: of its trial, and of the lab that runs it."""
    return hashlib.sha256(f"{identity} {source}".encode()).hexdigest()[:WHO]


def job_name(lead: str, number: int, who: str, attempt: int) -> str:
    """Return the name of an attempt at a trial; at most 63 characters, as the service wants."""
    name = f"{lead}-{number}-{who}-{attempt}"
    if len(name) > 63:
        raise DataError(f"the job name {name} is longer than SageMaker's 63 characters: begin a new sweep")
    return name


def read_name(name: str) -> JobName | None:
    """Return what a job's name says; None for one that the lab did not give."""
    found = JOB.fullmatch(name)
    return JobName(int(found[1]), found[2], int(found[3])) if found else None
