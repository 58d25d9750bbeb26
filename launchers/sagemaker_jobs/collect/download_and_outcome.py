"""Download and outcome of a finished job: downloads its results, adds its bill, and says whether its trial is done."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from battery_lab.common.errors import LabError
from battery_lab.sweep.interfaces import Outcome
from battery_lab.sweep.journal import TrialState
from battery_lab.sweep.trial_folder import read_result
from sagemaker_jobs.aws.errors import aws_errors
from sagemaker_jobs.aws.job_names import parse_job_name
from sagemaker_jobs.collect.downloads import Downloads
from sagemaker_jobs.collect.job_bills import Bill, add_bill
from sagemaker_jobs.submit.training_jobs import COMPLETED, STOPPED

# Prefixes of the service's failure reasons: the container failed, or the service itself.
CONTAINER_FAILED, SERVICE_FAILED = "AlgorithmError", "InternalServerError"
MAX_ATTEMPTS_AFTER_SERVICE_ERRORS = 5  # each attempt costs


def collect_outcome(
    number: int,
    folder: Path,
    description: Mapping[str, Any],
    bill: Bill,
    downloads: Downloads,
    digest: str,
    stop_requested: bool = False,
) -> Outcome:
    """Download what a finished job left, and return the outcome of its trial.

    Args:
        number: the number of the trial.
        folder: the folder of the trial.
        description: the service's answer to DescribeTrainingJob.
        bill: the bill of the job.
        downloads: the downloads of the sweep.
        digest: the digest of the trial and the lab's source.
        stop_requested: whether this sweep requested the stop of the job.
    """
    folder.mkdir(parents=True, exist_ok=True)
    add_bill(folder, bill)
    if bill.status == COMPLETED:
        try:
            downloads.results(folder, description)
        except LabError as error:
            return Outcome(number=number, state=TrialState.FAILED, reason=str(error))
        finally:
            _try("log", number, lambda: downloads.log(folder, bill.name))
        _try("checkpoint", number, lambda: downloads.checkpoint(folder, number, digest))
        return Outcome(number=number, state=TrialState.DONE, result=read_result(folder))
    _try("log", number, lambda: downloads.log(folder, bill.name))
    _try("curves", number, lambda: downloads.curves(folder, number, digest))
    if bill.status == STOPPED and stop_requested:
        return Outcome(number=number, state=TrialState.STOPPED)
    reason = bill.reason or ""
    return Outcome(
        number=number,
        state=TrialState.FAILED,
        reason=_failure_reason(bill, description),
        raised=reason.startswith(CONTAINER_FAILED),
        machine_lost=reason.startswith(SERVICE_FAILED) and attempt_of(bill.name) < MAX_ATTEMPTS_AFTER_SERVICE_ERRORS,
    )


def _try(what: str, number: int, download: Callable[[], object]) -> None:
    """Download something that the outcome does not depend on; print the reason if that fails."""
    try:
        with aws_errors(f"download the {what} of trial {number}"):
            download()
    except LabError as error:
        print(error, file=sys.stderr, flush=True)


def attempt_of(job: str) -> int:
    """Return which attempt at its trial a job is, from 0."""
    name = parse_job_name(job)
    return 0 if name is None else name.attempt


def _failure_reason(bill: Bill, description: Mapping[str, Any]) -> str:
    if bill.status != STOPPED:
        return f"{bill.name}: {bill.reason or 'no reason was given'}"
    limits = {"MaxRuntimeExceeded": "max_run_s", "MaxWaitTimeExceeded": "max_wait_s"}
    limit = limits.get(str(description.get("SecondaryStatus")))
    if limit is not None:
        return f"{bill.name} reached hydra.launcher.{limit}: raise it; the same command resumes from its checkpoint"
    return f"{bill.name} was stopped, not by this sweep"
