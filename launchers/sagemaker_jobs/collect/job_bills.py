"""Job bills: what each job of a trial ran, cost and saved, in ``job.json`` of the trial's folder."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from battery_lab.common.atomic_write import atomic_write

BILLS = "job.json"
TOTALS = ("billable_seconds", "training_seconds", "cost", "saved")


@dataclass(frozen=True, kw_only=True)
class Bill:
    """What one job ran and cost.

    Attributes:
        name: the name of the job.
        arn: the ARN of the job.
        status: the status in the service's words.
        reason: why the job failed; None if it did not.
        training_seconds: that the job ran.
        billable_seconds: that are paid for, per host.
        cost: the cost in ``currency``; None if a price is unknown.
        saved: what spare capacity saved, in ``currency``; None if a price is unknown.
        currency: the currency of both.
    """

    name: str
    arn: str
    status: str
    reason: str | None
    training_seconds: float
    billable_seconds: float
    cost: float | None
    saved: float | None
    currency: str


def bill_of(description: Mapping[str, Any], prices: Mapping[str, float], currency: str) -> Bill:
    """Return the bill of a job.

    Args:
        description: the service's answer to DescribeTrainingJob.
        prices: the prices of an instance hour, by instance type.
        currency: the currency of prices.
    """
    resources = description["ResourceConfig"]
    # The job's instances may differ from those of the current options.
    groups = resources.get("InstanceGroups") or [resources]
    counts = [(str(group["InstanceType"]), int(group["InstanceCount"])) for group in groups]
    trained = float(description.get("TrainingTimeInSeconds") or 0)
    billed = float(description.get("BillableTimeInSeconds", trained))
    priced = all(instance_type in prices for instance_type, _ in counts)
    per_second = sum(prices[instance_type] * count for instance_type, count in counts) / 3600 if priced else None
    return Bill(
        name=description["TrainingJobName"],
        arn=description["TrainingJobArn"],
        status=description["TrainingJobStatus"],
        reason=description.get("FailureReason") or None,
        training_seconds=trained,
        billable_seconds=billed,
        cost=None if per_second is None else round(per_second * billed, 6),
        saved=None if per_second is None else round(per_second * max(trained - billed, 0), 6),
        currency=currency,
    )


def read_bills(folder: Path) -> list[dict[str, Any]]:
    """Return the bills of a trial's jobs, the oldest first."""
    try:
        bills: Any = json.loads((folder / BILLS).read_text())
    except (OSError, ValueError):
        return []
    return bills if isinstance(bills, list) else []


def add_bill(folder: Path, bill: Bill) -> None:
    """Add a job's bill to those of its trial, in place of an earlier one of the same job."""
    others = [other for other in read_bills(folder) if other["name"] != bill.name]
    atomic_write(folder / BILLS, json.dumps([*others, asdict(bill)], indent=2))


def bill_totals(bills: Sequence[Mapping[str, Any]]) -> dict[str, float | None]:
    """Return the sums over the bills of a trial, as metrics; a sum is None if one of its parts is unknown."""
    totals: dict[str, float | None] = {"job/attempts": float(len(bills))}
    for name in TOTALS:
        values = [bill.get(name) for bill in bills]
        totals[f"job/{name}"] = None if None in values else sum(float(value or 0) for value in values)
    return totals
