"""Rules for training jobs from the service's documentation, and what the emulator does not support."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from sagemaker_emulator.job_state import Job
from sagemaker_emulator.protocol.responses_and_errors import AwsError, invalid, not_modelled

_BASE = "/opt/ml"
_MAX_TAGS = 50


def check_job(request: Mapping[str, Any], *, isolation: str, bucket_exists: Callable[[str], bool]) -> None:
    """Check a request that is valid by the service's model.

    Args:
        request: the request of CreateTrainingJob.
        isolation: how hosts are isolated, an option of the emulator.
        bucket_exists: returns whether a bucket exists.

    Raises:
        AwsError: ``ValidationException`` with the first rule that is broken.
    """
    _check_algorithm(request)
    _check_resources(request.get("ResourceConfig"), isolation)
    _check_times(request)
    check_tags(request.get("Tags") or [])
    for channel in request.get("InputDataConfig") or []:
        _check_channel(request, channel)
    _check_checkpoints(request.get("CheckpointConfig"))
    _check_buckets(request, bucket_exists)


def check_quota(job: Job, jobs: Iterable[Job], quota: Mapping[str, int]) -> None:
    """Raise AwsError if the instances of a job and of running jobs exceed a quota."""
    for instance_type in {group.instance_type for group in job.groups} & set(quota):
        used = sum(_instances(other, instance_type) for other in jobs if not other.finished and other.spot == job.spot)
        requested = _instances(job, instance_type)
        if used + requested > quota[instance_type]:
            spot = "spot " if job.spot else ""
            raise AwsError(
                "ResourceLimitExceeded",
                f"The account-level service limit '{instance_type} for {spot}training job usage' is "
                f"{quota[instance_type]} Instances, with current utilization of {used} Instances and a request delta "
                f"of {requested} Instances. Please use AWS Service Quotas to request an increase for this quota. If "
                "AWS Service Quotas is not available, contact AWS support to request an increase for this quota.",
            )


def check_tags(tags: Iterable[Mapping[str, str]]) -> None:
    """Raise AwsError for too many tags, duplicate names and reserved names."""
    names = [tag["Key"] for tag in tags]
    if len(names) > _MAX_TAGS:
        raise invalid(f"Too many tags: {len(names)} tags. The maximum number of tags per resource is {_MAX_TAGS}.")
    if len(set(names)) < len(names):
        raise invalid("Duplicate tag keys found. Please note that Tag keys are case insensitive.")
    if reserved := [name for name in names if name.lower().startswith("aws:")]:
        raise invalid(f"aws: prefixed tag key names are not allowed for external use: {reserved[0]}")


def _instances(job: Job, instance_type: str) -> int:
    return sum(len(group.hosts) for group in job.groups if group.instance_type == instance_type)


def _check_algorithm(request: Mapping[str, Any]) -> None:
    algorithm = request.get("AlgorithmSpecification")
    if not algorithm:
        raise invalid("AlgorithmSpecification is required.")
    if bool(algorithm.get("TrainingImage")) == bool(algorithm.get("AlgorithmName")):
        raise invalid("You must specify either an algorithm name or a training image, and not both.")
    if algorithm.get("AlgorithmName"):
        raise not_modelled("AlgorithmName; give a TrainingImage")
    if algorithm["TrainingInputMode"] != "File":
        raise not_modelled(f"TrainingInputMode {algorithm['TrainingInputMode']}; use File")
    for definition in algorithm.get("MetricDefinitions") or []:
        try:
            re.compile(definition["Regex"])
        except re.error as error:
            raise invalid(f"Invalid regular expression of metric {definition['Name']}: {error}") from None
    if algorithm.get("ContainerEntrypoint") or algorithm.get("ContainerArguments"):
        raise not_modelled("ContainerEntrypoint and ContainerArguments; it runs the toolkit's train command")


def _check_resources(resources: Mapping[str, Any] | None, isolation: str) -> None:
    if not resources:
        raise invalid("ResourceConfig is required.")
    single = "InstanceType" in resources or "InstanceCount" in resources
    groups = resources.get("InstanceGroups") or []
    if single and groups:
        raise invalid("InstanceGroups cannot be given together with InstanceType or InstanceCount in ResourceConfig.")
    if not groups and not ("InstanceType" in resources and "InstanceCount" in resources):
        raise invalid("ResourceConfig must have InstanceType and InstanceCount, or InstanceGroups.")
    if not groups and "VolumeSizeInGB" not in resources:
        raise invalid("VolumeSizeInGB is required in ResourceConfig.")
    counts = [group["InstanceCount"] for group in groups or [resources]]
    if min(counts) < 1:
        raise invalid("InstanceCount must be at least 1.")
    if len({group["InstanceGroupName"] for group in groups}) < len(groups):
        raise invalid("InstanceGroupName must be unique within a training job.")
    if sum(counts) > 1 and isolation == "plain":
        raise not_modelled("several hosts with --isolation plain; start it with --isolation namespaces")


def _check_times(request: Mapping[str, Any]) -> None:
    stopping = request.get("StoppingCondition")
    if not stopping:
        raise invalid("StoppingCondition is required.")
    run, wait = stopping.get("MaxRuntimeInSeconds"), stopping.get("MaxWaitTimeInSeconds")
    if not request.get("EnableManagedSpotTraining"):
        if wait is not None:
            raise invalid("Invalid MaxWaitTimeInSeconds. It can only be set when EnableManagedSpotTraining is true.")
        return
    if wait is None:
        raise invalid("Invalid MaxWaitTimeInSeconds. It is required when EnableManagedSpotTraining is true.")
    if wait < (run or 86400):
        raise invalid(
            f"Invalid MaxWaitTimeInSeconds. It must be present and be greater than or equal to MaxRuntimeInSeconds: "
            f"{wait} < {run or 86400}"
        )
    if request["ResourceConfig"].get("KeepAlivePeriodInSeconds"):
        raise invalid("KeepAlivePeriodInSeconds is not supported with EnableManagedSpotTraining.")


def _check_channel(request: Mapping[str, Any], channel: Mapping[str, Any]) -> None:
    name, source = channel["ChannelName"], channel["DataSource"]
    if channel.get("InputMode", "File") != "File":
        raise not_modelled(f"InputMode {channel['InputMode']} of channel {name}; use File")
    if set(source) != {"S3DataSource"}:
        raise not_modelled(f"the data source of channel {name}; use S3DataSource")
    if source["S3DataSource"]["S3DataType"] != "S3Prefix":
        raise not_modelled(f"S3DataType {source['S3DataSource']['S3DataType']} of channel {name}; use S3Prefix")
    if channel.get("CompressionType", "None") != "None" or channel.get("RecordWrapperType", "None") != "None":
        raise not_modelled(f"CompressionType and RecordWrapperType of channel {name}")
    if [other["ChannelName"] for other in request["InputDataConfig"]].count(name) > 1:
        raise invalid(f"ChannelName {name} must be unique within a training job.")
    groups = {group["InstanceGroupName"] for group in request["ResourceConfig"].get("InstanceGroups") or []}
    for group in source["S3DataSource"].get("InstanceGroupNames") or []:
        if group not in groups:
            raise invalid(f"InstanceGroupName {group} of channel {name} is not one of the job's instance groups.")


def _check_checkpoints(config: Mapping[str, Any] | None) -> None:
    if config and not config.get("LocalPath", f"{_BASE}/checkpoints").startswith(f"{_BASE}/"):
        raise not_modelled(f"CheckpointConfig.LocalPath {config['LocalPath']}; use a folder below {_BASE}")


def _check_buckets(request: Mapping[str, Any], bucket_exists: Callable[[str], bool]) -> None:
    channels = request.get("InputDataConfig") or []
    uris = {
        "OutputDataConfig.S3OutputPath": request["OutputDataConfig"]["S3OutputPath"],
        "CheckpointConfig.S3Uri": (request.get("CheckpointConfig") or {}).get("S3Uri"),
    } | {f"channel {channel['ChannelName']}": channel["DataSource"]["S3DataSource"]["S3Uri"] for channel in channels}
    for field, uri in uris.items():
        if uri is None:
            continue
        if not uri.startswith("s3://"):
            raise not_modelled(f"the address {uri} of {field}; use s3://")
        bucket = uri.removeprefix("s3://").partition("/")[0]
        if not bucket_exists(bucket):
            raise invalid(f"Unable to find the S3 bucket {bucket} of {field}: {uri}")
