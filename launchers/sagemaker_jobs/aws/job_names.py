"""Names of training jobs: the same for the same trial of the same sweep, wherever it is launched."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass

from battery_lab.common.errors import DataError

START = "battery-lab"
SWEEP_DIGITS, TRIAL_DIGITS = 8, 16
MAX_NAME_LENGTH = 63  # of the service
PATTERN = re.compile(rf"{START}-[0-9a-f]{{{SWEEP_DIGITS}}}-(\d+)-([0-9a-f]{{{TRIAL_DIGITS}}})-(\d+)")


@dataclass(frozen=True)
class JobName:
    """The parts of a job's name.

    Attributes:
        number: the number of the trial in its sweep.
        digest: the digest of the trial's identity and the lab's source.
        attempt: counted from 0; a new one starts after one that failed or was stopped.
    """

    number: int
    digest: str
    attempt: int


def sweep_name_prefix(sweep: str, bucket: str, prefix: str) -> str:
    """Return the prefix of the names of all jobs of a sweep.

    Args:
        sweep: name of its folder, which follows from what is swept.
        bucket: that holds its files.
        prefix: the prefix of their keys.
    """
    digest = hashlib.sha256(f"{bucket}/{prefix}/{sweep}".encode()).hexdigest()
    return f"{START}-{digest[:SWEEP_DIGITS]}"


def job_digest(identity: str, source: str) -> str:
    """Return a digest of a trial's identity and of the lab's source."""
    return hashlib.sha256(f"{identity} {source}".encode()).hexdigest()[:TRIAL_DIGITS]


def job_name(name_prefix: str, number: int, digest: str, attempt: int) -> str:
    """Return the name of an attempt at a trial.

    Raises:
        DataError: the name is longer than the service allows.
    """
    name = f"{name_prefix}-{number}-{digest}-{attempt}"
    if len(name) > MAX_NAME_LENGTH:
        raise DataError(
            f"the job name {name} is longer than SageMaker's {MAX_NAME_LENGTH} characters: start a new sweep"
        )
    return name


def parse_job_name(name: str) -> JobName | None:
    """Return the parts of a job's name; None if the lab did not choose the name."""
    match = PATTERN.fullmatch(name)
    return JobName(int(match[1]), match[2], int(match[3])) if match else None
