"""State of a training job: its request, its status, and the descriptions that the service returns of it."""

from __future__ import annotations

import math
import threading
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

ACCOUNT = "123456789012"  # moto's
TERMINAL = ("Completed", "Failed", "Stopped")
MESSAGES = {
    "Starting": "Preparing the instances for training",
    "Downloading": "Downloading input data",
    "Training": "Training image download completed. Training in progress.",
    "Interrupted": "Training job interrupted. Spot capacity was reclaimed.",
    "Restarting": "Restarting the training job after an internal error",
    "Stopping": "Stopping the training job",
    "Uploading": "Uploading generated training model",
    "Completed": "Training job completed",
    "Failed": "Training job failed",
    "Stopped": "Training job stopped",
    "MaxRuntimeExceeded": "Training job runtime exceeded MaxRuntimeInSeconds provided",
    "MaxWaitTimeExceeded": "Training job wait time exceeded MaxWaitTimeInSeconds provided",
}
NO_CAPACITY = "Insufficient capacity error from EC2 while launching instances, retrying!"
# Members of the request that DescribeTrainingJob returns unchanged.
_ECHOED = (
    "TrainingJobName",
    "HyperParameters",
    "AlgorithmSpecification",
    "RoleArn",
    "InputDataConfig",
    "OutputDataConfig",
    "ResourceConfig",
    "VpcConfig",
    "StoppingCondition",
    "EnableNetworkIsolation",
    "EnableInterContainerTrafficEncryption",
    "EnableManagedSpotTraining",
    "CheckpointConfig",
    "DebugHookConfig",
    "DebugRuleConfigurations",
    "TensorBoardOutputConfig",
    "ExperimentConfig",
    "ProfilerConfig",
    "ProfilerRuleConfigurations",
    "Environment",
    "RetryStrategy",
    "RemoteDebugConfig",
    "InfraCheckConfig",
)
_SUMMARY = ("TrainingJobName", "TrainingJobArn", "CreationTime", "TrainingEndTime", "LastModifiedTime")


def now() -> datetime:
    """Return the time in UTC."""
    return datetime.now(UTC)


@dataclass(frozen=True)
class Group:
    """Hosts of one instance type."""

    name: str
    instance_type: str
    hosts: tuple[str, ...]


@dataclass
class Job:
    """A training job."""

    request: dict[str, Any]
    region: str
    spot_discount: float  # a fraction of the price
    status: str = "InProgress"
    secondary: str = ""
    transitions: list[dict[str, Any]] = field(default_factory=list)
    created: datetime = field(default_factory=now)
    modified: datetime = field(default_factory=now)
    started: datetime | None = None  # when the first instances were ready
    ended: datetime | None = None
    failure: str | None = None
    artifacts: str | None = None
    metrics: dict[str, dict[str, Any]] = field(default_factory=dict)  # the last value of each
    tags: dict[str, str] = field(default_factory=dict)
    trained_s: float = 0.0  # on all instances so far
    stop: threading.Event = field(default_factory=threading.Event)
    interruption: str | None = None  # "spot" or "internal": why its instances were lost
    warning_s: float = 0.0  # between SIGTERM and the loss of instances
    lock: threading.RLock = field(default_factory=threading.RLock)

    @property
    def name(self) -> str:
        """Return the job's name."""
        return str(self.request["TrainingJobName"])

    @property
    def arn(self) -> str:
        """Return the job's Amazon resource name."""
        return f"arn:aws:sagemaker:{self.region}:{ACCOUNT}:training-job/{self.name}"

    @property
    def spot(self) -> bool:
        """Whether the job uses spot instances."""
        return bool(self.request.get("EnableManagedSpotTraining"))

    @property
    def finished(self) -> bool:
        """Whether the job has finished."""
        return self.status in TERMINAL

    @property
    def groups(self) -> list[Group]:
        """Return the hosts by instance group; they are named algo-1, algo-2 and so on, across groups."""
        resources = self.request["ResourceConfig"]
        single = {"InstanceGroupName": "homogeneousCluster"} | resources
        groups, before = [], 0
        for group in resources.get("InstanceGroups") or [single]:
            names = tuple(f"algo-{before + number}" for number in range(1, group["InstanceCount"] + 1))
            groups.append(Group(group["InstanceGroupName"], group["InstanceType"], names))
            before += len(names)
        return groups

    @property
    def hosts(self) -> list[str]:
        """Return the names of all hosts."""
        return [host for group in self.groups for host in group.hosts]

    @property
    def checkpoints(self) -> str | None:
        """Return the S3 URI of the checkpoints; None if they are not saved."""
        config = self.request.get("CheckpointConfig")
        return str(config["S3Uri"]) if config else None

    def move(self, secondary: str, message: str | None = None) -> None:
        """Change the secondary status; if it is the same, only the message changes."""
        with self.lock:
            if self.status == "Stopping" and secondary in ("Starting", "Downloading", "Training"):
                return
            self.modified = now()
            message = MESSAGES[secondary] if message is None else message
            if self.secondary == secondary:
                self.transitions[-1]["StatusMessage"] = message
                return
            if self.transitions:
                self.transitions[-1]["EndTime"] = self.modified
            self.secondary = secondary
            self.transitions.append({"Status": secondary, "StartTime": self.modified, "StatusMessage": message})

    def end(self, status: str, secondary: str | None = None, failure: str | None = None) -> None:
        """Finish the job, after which nothing changes."""
        with self.lock:
            self.ended = self.ended or now()
            self.failure = failure
            self.move(secondary or status, failure)
            self.transitions[-1]["EndTime"] = self.modified
            self.status = status

    def describe(self) -> dict[str, Any]:
        """Return the answer to DescribeTrainingJob."""
        with self.lock:
            description = {name: self.request[name] for name in _ECHOED if self.request.get(name) is not None}
            description |= {
                "TrainingJobArn": self.arn,
                "TrainingJobStatus": self.status,
                "SecondaryStatus": self.secondary,
                "SecondaryStatusTransitions": [dict(transition) for transition in self.transitions],
                "CreationTime": self.created,
                "LastModifiedTime": self.modified,
                "FinalMetricDataList": list(self.metrics.values()),
                "EnableNetworkIsolation": bool(self.request.get("EnableNetworkIsolation")),
                "EnableInterContainerTrafficEncryption": bool(
                    self.request.get("EnableInterContainerTrafficEncryption")
                ),
                "EnableManagedSpotTraining": self.spot,
                "OutputDataConfig": {"KmsKeyId": "", "CompressionType": "GZIP"} | self.request["OutputDataConfig"],
                "DebugRuleEvaluationStatuses": None,
                "ProfilingStatus": "Disabled",
            }
            return {name: value for name, value in (description | self._known_later()).items() if value is not None}

    def _known_later(self) -> dict[str, Any]:
        """Return the members of a description that a new job does not have."""
        trained = math.ceil(self.trained_s) if self.finished and self.started else None
        billed = math.ceil(self.trained_s * (1 - self.spot_discount * self.spot)) if trained is not None else None
        return {
            "TrainingStartTime": self.started,
            "TrainingEndTime": self.ended,
            "TrainingTimeInSeconds": trained,
            "BillableTimeInSeconds": billed,
            "FailureReason": self.failure,
            "ModelArtifacts": {"S3ModelArtifacts": self.artifacts} if self.artifacts else None,
        }

    def summary(self) -> dict[str, Any]:
        """Return the job's entry in the answer to ListTrainingJobs."""
        description = self.describe()
        names = (*_SUMMARY, "TrainingJobStatus", "SecondaryStatus")
        return {name: description[name] for name in names if name in description}
