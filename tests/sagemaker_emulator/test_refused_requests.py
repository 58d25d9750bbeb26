"""Requests that the service refuses."""

from __future__ import annotations

import copy

import pytest
from botocore.exceptions import ClientError
from sagemaker_emulator.protocol.responses_and_errors import AwsError
from sagemaker_emulator.protocol.service_model_validation import validate

from tests.sagemaker_emulator.stub_jobs import BUCKET, NEVER

CHANNEL = {"ChannelName": "c", "DataSource": {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": f"s3://{BUCKET}/x"}}}
GROUP = {"InstanceGroupName": "a", "InstanceType": "ml.c5.xlarge", "InstanceCount": 1}
NAMES = {f"p{number}": "1" for number in range(101)}
TAGS = [{"Key": f"k{number}", "Value": "1"} for number in range(51)]
SPOT = {"EnableManagedSpotTraining": True}

# What is changed, by the path to it, and what the refusal says.
WRONG = {
    "name": ({"TrainingJobName": "a_b"}, "at 'trainingJobName' failed .* regular expression pattern"),
    "long name": ({"TrainingJobName": "a" * 64}, "length less than or equal to 63"),
    "role": ({"RoleArn": "arn:aws:iam::123456789012:user/someone"}, "at 'roleArn' failed"),
    "instance type": ({"ResourceConfig.InstanceType": "ml.c5.huge"}, "resourceConfig.instanceType.*enum value set"),
    "count": ({"ResourceConfig.InstanceCount": 0}, "InstanceCount must be at least 1"),
    "many hosts": ({"ResourceConfig.InstanceCount": 2}, "--isolation namespaces"),
    "groups and type": ({"ResourceConfig.InstanceGroups": [GROUP]}, "InstanceGroups cannot be given together"),
    "same groups": (
        {"ResourceConfig": {"InstanceGroups": [GROUP, GROUP], "VolumeSizeInGB": 1}},
        "InstanceGroupName must be unique",
    ),
    "no volume": ({"ResourceConfig": {"InstanceType": "ml.c5.xlarge", "InstanceCount": 1}}, "VolumeSizeInGB"),
    "no resources": ({"ResourceConfig": None}, "ResourceConfig is required"),
    "hyperparameters": ({"HyperParameters": NAMES}, "hyperParameters.*length less than or equal to 100"),
    "long value": ({"HyperParameters": {"a": "x" * 2501}}, "length less than or equal to 2500"),
    "long variable": ({"Environment": {"A": "x" * 513}}, "length less than or equal to 512"),
    "variable": ({"Environment": {"1A": "x"}}, "at 'environment.key' failed"),
    "tags": ({"Tags": TAGS}, "length less than or equal to 50"),
    "tag of the service": ({"Tags": [{"Key": "aws:x", "Value": "1"}]}, "aws: prefixed tag key names"),
    "tag letters": ({"Tags": [{"Key": "a!", "Value": "1"}]}, "at 'tags.1.member.key' failed"),
    "metrics": (
        {"AlgorithmSpecification.MetricDefinitions": [{"Name": str(n), "Regex": "(.)"} for n in range(41)]},
        "metricDefinitions.*length less than or equal to 40",
    ),
    "metric": (
        {"AlgorithmSpecification.MetricDefinitions": [{"Name": "a", "Regex": "("}]},
        "Invalid regular expression of metric a",
    ),
    "retries": ({"RetryStrategy": {"MaximumRetryAttempts": 31}}, "value less than or equal to 30"),
    "run time": ({"StoppingCondition.MaxRuntimeInSeconds": 0}, "value greater than or equal to 1"),
    "wait without spot": ({"StoppingCondition.MaxWaitTimeInSeconds": 90}, "can only be set when EnableManagedSpot"),
    "spot without wait": (SPOT, "MaxWaitTimeInSeconds. It is required"),
    "short wait": (
        SPOT | {"StoppingCondition": {"MaxRuntimeInSeconds": 60, "MaxWaitTimeInSeconds": 59}},
        "greater than or equal to MaxRuntimeInSeconds: 59 < 60",
    ),
    "warm pool on spot": (
        SPOT
        | {
            "StoppingCondition": {"MaxRuntimeInSeconds": 60, "MaxWaitTimeInSeconds": 60},
            "ResourceConfig.KeepAlivePeriodInSeconds": 60,
        },
        "KeepAlivePeriodInSeconds is not supported",
    ),
    "output bucket": ({"OutputDataConfig.S3OutputPath": "s3://nobodys/out"}, "S3 bucket nobodys of OutputDataConfig"),
    "checkpoint bucket": ({"CheckpointConfig": {"S3Uri": "s3://nobodys/out"}}, "S3 bucket nobodys of CheckpointConfig"),
    "channels": ({"InputDataConfig": [CHANNEL, CHANNEL]}, "ChannelName c must be unique"),
    "group of a channel": (
        {"InputDataConfig.0.DataSource.S3DataSource.InstanceGroupNames": ["b"]},
        "InstanceGroupName b of channel c is not one",
    ),
    "no algorithm": ({"AlgorithmSpecification.TrainingImage": None}, "either an algorithm name or a training image"),
    "FastFile": ({"AlgorithmSpecification.TrainingInputMode": "FastFile"}, "does not model TrainingInputMode FastFile"),
    "Pipe": ({"InputDataConfig.0.InputMode": "Pipe"}, "does not model InputMode Pipe of channel c"),
    "manifest": ({"InputDataConfig.0.DataSource.S3DataSource.S3DataType": "ManifestFile"}, "S3DataType ManifestFile"),
    "experiment": ({"ExperimentConfig": {"ExperimentName": "nobodys"}}, "ResourceNotFound.*nobodys"),
    "checkpoint folder": (
        {"CheckpointConfig": {"S3Uri": f"s3://{BUCKET}/c", "LocalPath": "/root/c"}},
        "does not model CheckpointConfig.LocalPath",
    ),
}


def changed(request, changes):
    """Return a request with members set by their paths; None: left out."""
    request = copy.deepcopy(request)
    for path, value in changes.items():
        *outer, last = path.split(".")
        place = request
        for name in outer:
            place = place[int(name)] if name.isdigit() else place.setdefault(name, [copy.deepcopy(CHANNEL)])
        if value is None:
            del place[last]
        else:
            place[last] = value
    return request


@pytest.mark.parametrize("case", WRONG)
def test_an_invalid_request_is_refused(lab, case):
    changes, words = WRONG[case]
    request = changed(lab.request(), changes)
    with pytest.raises(ClientError, match=words) as refused:
        lab.unchecked.create_training_job(**request)
    assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == 400
    with pytest.raises(ClientError, match="Requested resource not found"):
        lab.sagemaker.describe_training_job(TrainingJobName=request["TrainingJobName"][:63].replace("_", "-"))


def test_a_name_in_use_is_refused(lab):
    name = lab.start(lab.waiting())
    with pytest.raises(lab.sagemaker.exceptions.ResourceInUse, match="must be unique"):
        lab.start(lab.waiting(TrainingJobName=name))
    lab.stop(name)
    with pytest.raises(lab.sagemaker.exceptions.ResourceInUse):
        lab.start(lab.waiting(TrainingJobName=name))


def test_instances_above_the_quota_are_refused_until_others_are_free(lab):
    names = [lab.start(lab.waiting()) for _ in range(2)]
    words = (
        rf"The account-level service limit '{NEVER} for training job usage' is 2 Instances, with current "
        r"utilization of 2 Instances and a request delta of 1 Instances."
    )
    with pytest.raises(lab.sagemaker.exceptions.ResourceLimitExceeded, match=words):
        lab.start(lab.waiting())
    assert lab.stop(names[0])["TrainingJobStatus"] == "Stopped"
    lab.stop(lab.start(lab.waiting()))
    lab.stop(names[1])


def test_all_violations_are_reported_at_once():
    with pytest.raises(AwsError) as refused:
        validate("sagemaker", "AddTags", {"ResourceArn": 7 * "x", "Tags": [{"Key": "größe 1"}], "Colour": 1})
    assert refused.value.message.startswith("3 validation errors detected: ")
    assert "Value null at 'tags.1.member.value' failed" in refused.value.message
    assert "Unknown parameter 'Colour'" in refused.value.message
    with pytest.raises(AwsError, match="'tags' must be of type list, not str"):
        validate("sagemaker", "AddTags", {"ResourceArn": "arn:aws:sagemaker:a:123456789012:x", "Tags": "no"})
