"""How a job ended, in a sweep's own words, with what it left brought home."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from battery_lab.common.errors import LabError
from battery_lab.sweep.interfaces import Outcome
from battery_lab.sweep.journal import State
from battery_lab.sweep.trial_folder import read_result
from sagemaker_jobs.aws.errors import told
from sagemaker_jobs.aws.job_names import read_name
from sagemaker_jobs.collect.results import Bill, Home
from sagemaker_jobs.submit.training_jobs import COMPLETED, STOPPED

# How the service says whose fault it was: what ran in the container's, or its own, after which a trial is tried again.
BY_ITSELF, BY_SERVICE = "AlgorithmError", "InternalServerError"
MOST_LOST = 5  # attempts, which cost


def came_to(about: Mapping[str, Any], prices: Mapping[str, float], currency: str) -> Bill:
    """Return what a job came to.

    Args:
        about: what the service says of it.
        prices: of an instance hour by type.
        currency: of prices.
    """
    resources = about["ResourceConfig"]
    kinds = resources.get("InstanceGroups") or [resources]
    # Its own, which need not be those that jobs are asked for with by now.
    hosts = [(str(kind["InstanceType"]), int(kind["InstanceCount"])) for kind in kinds]
    trained = float(about.get("TrainingTimeInSeconds") or 0)
    billed = float(about.get("BillableTimeInSeconds", trained))
    known = all(kind in prices for kind, _ in hosts)
    second = sum(prices[kind] * count for kind, count in hosts) / 3600 if known else None
    return Bill(
        name=about["TrainingJobName"],
        arn=about["TrainingJobArn"],
        status=about["TrainingJobStatus"],
        reason=about.get("FailureReason") or None,
        training_seconds=trained,
        billable_seconds=billed,
        cost=None if second is None else round(second * billed, 6),
        saved=None if second is None else round(second * max(trained - billed, 0), 6),
        currency=currency,
    )


def ended(
    number: int, folder: Path, about: Mapping[str, Any], cost: Bill, home: Home, who: str, unwanted: bool = False
) -> Outcome:
    """Bring home what an ended job left; returns how it ended.

    Args:
        number: of the trial.
        folder: of the trial.
        about: what the service says of the job.
        cost: what it came to.
        home: the way.
        who: digits of what the job did.
        unwanted: whether this sweep asked it to stop.
    """
    folder.mkdir(parents=True, exist_ok=True)
    home.note(folder, cost)
    if cost.status == COMPLETED:
        try:
            home.results(folder, about)
        except LabError as error:
            return Outcome(number=number, state=State.FAILED, reason=str(error))
        finally:
            _if_possible("log", number, lambda: home.log(folder, cost.name))
        _if_possible("checkpoint", number, lambda: home.checkpoint(folder, number, who))
        return Outcome(number=number, state=State.DONE, result=read_result(folder))
    _if_possible("log", number, lambda: home.log(folder, cost.name))
    _if_possible("curves", number, lambda: home.curves(folder, number, who))
    if cost.status == STOPPED and unwanted:
        return Outcome(number=number, state=State.STOPPED)
    return Outcome(
        number=number,
        state=State.FAILED,
        reason=_reason(cost, about),
        raised=(cost.reason or "").startswith(BY_ITSELF),
        machine_lost=(cost.reason or "").startswith(BY_SERVICE) and attempt_of(cost.name) < MOST_LOST,
    )


def _if_possible(what: str, number: int, bring: Callable[[], object]) -> None:
    """Bring home what a trial does not depend on, or say why not."""
    try:
        with told(f"bring the {what} of trial {number} home"):
            bring()
    except LabError as error:
        print(error, file=sys.stderr, flush=True)


def attempt_of(job: str) -> int:
    """Return which attempt at its trial a job is, from 0."""
    read = read_name(job)
    return 0 if read is None else read.attempt


def _reason(cost: Bill, about: Mapping[str, Any]) -> str:
    if cost.status != STOPPED:
        return f"{cost.name}: {cost.reason or 'it gave no reason'}"
    bounds = {"MaxRuntimeExceeded": "max_run_s", "MaxWaitTimeExceeded": "max_wait_s"}
    bound = bounds.get(str(about.get("SecondaryStatus")))
    if bound is not None:
        return f"{cost.name} ran into hydra.launcher.{bound}: raise it; the same command goes on from its checkpoint"
    return f"somebody else than the sweep stopped {cost.name}"
