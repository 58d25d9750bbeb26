"""Descriptions of a job, as the service returns them."""

from __future__ import annotations

JOB = "battery-lab-01234567-0-0123456789abcdef-1"


def description(**changes):
    hosts = {"InstanceType": "ml.a", "InstanceCount": 1}
    defaults = {
        "TrainingJobName": JOB,
        "TrainingJobArn": "arn",
        "TrainingJobStatus": "Completed",
        "ResourceConfig": hosts,
    }
    return {**defaults, **changes}
