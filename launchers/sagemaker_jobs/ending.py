"""How a job ended, in a sweep's own words, with what it left brought home."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from battery_lab.errors import LabError
from battery_lab.sweep.folder import result_of
from battery_lab.sweep.journal import State
from battery_lab.sweep.parts import Ending
from sagemaker_jobs.home import Bill, Home
from sagemaker_jobs.jobs import COMPLETED, STOPPED
from sagemaker_jobs.names import read_name

# How the service says whose fault it was: what ran in the container's, or its own, after which a trial is tried again.
BY_ITSELF, BY_SERVICE = "AlgorithmError", "InternalServerError"
MOST_LOST = 5  # attempts, which cost


def came_to(told: Mapping[str, Any], prices: Mapping[str, float], currency: str) -> Bill:
    """Return what a job came to.

    Args:
        told: what the service says of it.
        prices: of an instance hour by type.
        currency: of prices.
    """
    resources = told["ResourceConfig"]
    kinds = resources.get("InstanceGroups") or [resources]
    # Its own, which need not be those that jobs are asked for with by now.
    hosts = [(str(kind["InstanceType"]), int(kind["InstanceCount"])) for kind in kinds]
    trained = float(told.get("TrainingTimeInSeconds") or 0)
    billed = float(told.get("BillableTimeInSeconds", trained))
    known = all(kind in prices for kind, _ in hosts)
    second = sum(prices[kind] * count for kind, count in hosts) / 3600 if known else None
    return Bill(
        name=told["TrainingJobName"],
        arn=told["TrainingJobArn"],
        status=told["TrainingJobStatus"],
        reason=told.get("FailureReason") or None,
        training_seconds=trained,
        billable_seconds=billed,
        cost=None if second is None else round(second * billed, 6),
        saved=None if second is None else round(second * max(trained - billed, 0), 6),
        currency=currency,
    )


def ended(
    number: int, folder: Path, told: Mapping[str, Any], cost: Bill, home: Home, who: str, unwanted: bool = False
) -> Ending:
    """Bring home what an ended job left; returns how it ended.

    Args:
        number: of the trial.
        folder: of the trial.
        told: what the service says of the job.
        cost: what it came to.
        home: the way.
        who: digits of what the job did.
        unwanted: whether this sweep asked it to stop.
    """
    folder.mkdir(parents=True, exist_ok=True)
    home.note(folder, cost)
    home.log(folder, cost.name)
    if cost.status == COMPLETED:
        try:
            home.results(folder, number, who, told, cost)
        except LabError as error:
            return Ending(number=number, state=State.FAILED, reason=str(error))
        return Ending(number=number, state=State.DONE, result=result_of(folder))
    home.curves(folder, number, who)
    if cost.status == STOPPED and unwanted:
        return Ending(number=number, state=State.STOPPED)
    return Ending(
        number=number,
        state=State.FAILED,
        reason=_reason(cost, told),
        raised=(cost.reason or "").startswith(BY_ITSELF),
        lost=(cost.reason or "").startswith(BY_SERVICE) and attempt_of(cost.name) < MOST_LOST,
    )


def attempt_of(job: str) -> int:
    """Return which attempt at its trial a job is, from 0."""
    read = read_name(job)
    return 0 if read is None else read.attempt


def _reason(cost: Bill, told: Mapping[str, Any]) -> str:
    if cost.status != STOPPED:
        return f"{cost.name}: {cost.reason or 'it gave no reason'}"
    bounds = {"MaxRuntimeExceeded": "max_run_s", "MaxWaitTimeExceeded": "max_wait_s"}
    bound = bounds.get(str(told.get("SecondaryStatus")))
    if bound is not None:
        return f"{cost.name} ran into hydra.launcher.{bound}: raise it; the same command goes on from its checkpoint"
    return f"somebody else than the sweep stopped {cost.name}"
