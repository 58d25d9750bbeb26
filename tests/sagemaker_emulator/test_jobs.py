"""What becomes of training jobs."""

from __future__ import annotations

import json
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from botocore.exceptions import ClientError

from tests.sagemaker_emulator.lab import BUCKET, LOGS, WAITING, statuses, until

ON_SPOT = ["Starting", "Downloading", "Training", "Interrupted", "Starting", "Downloading", "Training"]


def test_a_job_gets_what_it_was_given_and_leaves_what_it_made(lab):
    for key in ("market/prices.csv", "market/more/demand.csv"):
        lab.s3.put_object(Bucket=BUCKET, Key=key, Body=b"1,2\n")
    source = {"S3DataType": "S3Prefix", "S3Uri": f"s3://{BUCKET}/market"}
    request = lab.request(
        InputDataConfig=[{"ChannelName": "market", "DataSource": {"S3DataSource": source}}],
        Environment={"LAB_COLOUR": "grün"},
        Tags=[{"Key": "Sweep", "Value": "ä/1"}],
        VpcConfig={"SecurityGroupIds": ["sg-1"], "Subnets": ["subnet-1"]},
        RetryStrategy={"MaximumRetryAttempts": 2},
        EnableInterContainerTrafficEncryption=True,
    )
    request["HyperParameters"]["alpha"] = "0.5"
    request["OutputDataConfig"]["KmsKeyId"] = "key-1"
    request["ResourceConfig"]["KeepAlivePeriodInSeconds"] = 60
    name = lab.start(request)
    told = lab.ended(name)
    assert told["TrainingJobStatus"] == "Completed", told
    assert statuses(told) == ["Starting", "Downloading", "Training", "Uploading", "Completed"]
    for member in set(request) - {"Tags", "OutputDataConfig"}:
        assert told[member] == request[member], member
    assert told["OutputDataConfig"]["KmsKeyId"] == "key-1"
    assert told["CreationTime"] <= told["TrainingStartTime"] <= told["TrainingEndTime"] <= told["LastModifiedTime"]
    assert told["TrainingTimeInSeconds"] == told["BillableTimeInSeconds"] >= 1
    assert lab.sagemaker.list_tags(ResourceArn=told["TrainingJobArn"])["Tags"] == request["Tags"]
    _check_artifacts(lab, name, told)
    _check_metrics(lab, name, told)


def _check_artifacts(lab, name, told):
    assert told["ModelArtifacts"]["S3ModelArtifacts"] == f"s3://{BUCKET}/out/{name}/output/model.tar.gz"
    assert lab.unpacked(f"out/{name}/output/output.tar.gz") == {"report.txt": b"a report"}
    seen = json.loads(lab.unpacked(f"out/{name}/output/model.tar.gz")["told.json"])
    assert seen["hyperparameters"] == {"alpha": 0.5, "does": "well"}
    assert seen["files"] == ["more", "more/demand.csv", "prices.csv"]
    environment = seen["environment"]
    assert environment["LAB_COLOUR"] == "grün"
    assert environment["TRAINING_JOB_NAME"] == name and environment["TRAINING_JOB_ARN"] == told["TrainingJobArn"]
    assert environment["AWS_ENDPOINT_URL"] == lab.emulator.endpoint_url
    assert environment["AWS_ACCESS_KEY_ID"] == lab.emulator.credentials.access_key_id
    group = {"instance_group_name": "homogeneousCluster", "instance_type": "ml.c5.xlarge", "hosts": ["algo-1"]}
    assert seen["resources"]["hosts"] == ["algo-1"] and seen["resources"]["instance_groups"] == [group]
    assert not (lab.emulator.work / "jobs" / "eu-west-1" / name / "1" / "algo-1").exists()


def _check_metrics(lab, name, told):
    assert [(one["MetricName"], one["Value"]) for one in told["FinalMetricDataList"]] == [("capture", 0.75)]
    now = datetime.now(UTC)
    found = lab.emulator.client("cloudwatch").get_metric_statistics(
        Namespace=LOGS,
        MetricName="capture",
        Dimensions=[{"Name": "TrainingJobName", "Value": name}],
        StartTime=now - timedelta(hours=1),
        EndTime=now + timedelta(hours=1),
        Period=86400,
        Statistics=["Minimum", "Maximum", "SampleCount"],
    )["Datapoints"]
    assert [(one["Minimum"], one["Maximum"], one["SampleCount"]) for one in found] == [(-1.0, 0.75, 3.0)]
    streams = lab.logs.describe_log_streams(logGroupName=LOGS, logStreamNamePrefix=name)
    assert [one["logStreamName"].rpartition("-")[0] for one in streams["logStreams"]] == [f"{name}/algo-1"]
    assert "capture=0.5" in lab.said(name).splitlines()


def test_the_entry_points_error_is_the_reason_of_the_failure(lab):
    first, second = lab.start(lab.request("say")), lab.start(lab.request("raise"))
    told = lab.ended(first)
    assert told["TrainingJobStatus"] == told["SecondaryStatus"] == "Failed"
    assert told["FailureReason"].startswith("AlgorithmError: ExecuteUserScriptError")
    assert "ValueError: capacity_mwh must be positive: -1" in told["FailureReason"]
    assert told["FailureReason"].endswith(", exit code: 1")
    assert told["SecondaryStatusTransitions"][-1]["StatusMessage"] == told["FailureReason"]
    assert "ModelArtifacts" not in told
    assert len(lab.ended(second)["FailureReason"]) == 1024


def test_an_image_may_choose_the_toolkits_module(lab):
    # The toolkit's own default, which leaves out what the entry point wrote.
    request = lab.request("say", Environment={"SAGEMAKER_TRAINING_MODULE": "sagemaker_training.cli.plain:main"})
    told = lab.ended(lab.start(request))
    assert "No module named 'sagemaker_training.cli.plain'" in told["FailureReason"]


def test_data_that_is_not_there_fails_the_job(lab):
    source = {"S3DataType": "S3Prefix", "S3Uri": f"s3://{BUCKET}/nowhere"}
    channel = {"ChannelName": "market", "DataSource": {"S3DataSource": source}}
    told = lab.ended(lab.start(lab.request(InputDataConfig=[channel])))
    assert statuses(told) == ["Starting", "Downloading", "Failed"]
    assert f'No S3 objects found under S3 URL "s3://{BUCKET}/nowhere"' in told["FailureReason"]


def test_a_job_that_is_stopped_can_save_and_its_output_is_kept(lab):
    request = lab.request("wait")
    uri = f"s3://{BUCKET}/checkpoints/{request['TrainingJobName']}"
    name = lab.start(request | {"CheckpointConfig": {"S3Uri": uri}})
    lab.ready(name)
    told = lab.stop(name)
    assert told["TrainingJobStatus"] == told["SecondaryStatus"] == "Stopped"
    assert statuses(told) == ["Starting", "Downloading", "Training", "Stopping", "Uploading", "Stopped"]
    assert lab.object(f"checkpoints/{name}/last") == b"saved"
    assert lab.object(f"out/{name}/output/model.tar.gz")
    with pytest.raises(ClientError, match="ValidationException.*is in status Stopped"):
        lab.sagemaker.stop_training_job(TrainingJobName=name)


def test_a_job_that_does_not_listen_is_killed_after_the_time_allowed(lab):
    name = lab.start(lab.request("deaf", StoppingCondition={"MaxRuntimeInSeconds": 2}))
    told = lab.ended(name)
    assert told["TrainingJobStatus"] == "Stopped" and told["SecondaryStatus"] == "MaxRuntimeExceeded"
    assert 3 <= told["TrainingTimeInSeconds"] <= 8


def test_a_spot_job_goes_on_from_its_uploaded_checkpoint(lab):
    name = lab.start(lab.spot("count"))
    lab.ready(name)
    until(lambda: lab.object(f"checkpoints/{name}/count") == b"7", "the checkpoint is not there")
    lab.emulator.interrupt(name)
    told = lab.ended(name)
    assert statuses(told) == [*ON_SPOT, "Uploading", "Completed"]
    assert told["FinalMetricDataList"][0]["Value"] == 7
    assert told["EnableManagedSpotTraining"] is True
    assert told["BillableTimeInSeconds"] < told["TrainingTimeInSeconds"]
    assert len(lab.logs.describe_log_streams(logGroupName=LOGS, logStreamNamePrefix=name)["logStreams"]) == 2


def test_a_spot_job_that_is_warned_can_save(lab):
    name = lab.start(lab.spot("wait"))
    lab.ready(name)
    lab.emulator.interrupt(name)
    until(lambda: lab.said(name).count("\nready") == 2, "it did not start again")
    assert lab.object(f"checkpoints/{name}/last") is None
    lab.emulator.interrupt(name, warning_s=5)
    until(lambda: statuses(lab.describe(name)).count("Interrupted") == 2, "it is not interrupted again")
    assert lab.object(f"checkpoints/{name}/last") == b"saved"
    lab.stop(name)


def test_what_is_not_on_spot_cannot_be_interrupted(lab):
    name = lab.start(lab.request("wait"))
    lab.ready(name)
    with pytest.raises(ValueError, match="does not run on spot instances"):
        lab.emulator.interrupt(name)
    with pytest.raises(ValueError, match="no training job nobody"):
        lab.emulator.interrupt("nobody")
    lab.emulator.interrupt(name, kind="internal")
    told = lab.ended(name)
    assert told["TrainingJobStatus"] == "Failed"
    assert told["FailureReason"].startswith("InternalServerError")


def test_the_service_tries_again_after_an_error_of_its_own(lab):
    request = lab.spot("count", RetryStrategy={"MaximumRetryAttempts": 1})
    name = lab.start(request)
    lab.ready(name)
    until(lambda: lab.object(f"checkpoints/{name}/count") == b"7", "the checkpoint is not there")
    lab.emulator.interrupt(name, kind="internal")
    told = lab.ended(name)
    assert told["TrainingJobStatus"] == "Completed"
    assert statuses(told)[3:5] == ["Restarting", "Starting"]


def test_without_capacity_a_job_waits(lab):
    lab.emulator.capacity("ml.c5.4xlarge", 0)
    request = lab.request()
    request["ResourceConfig"]["InstanceType"] = "ml.c5.4xlarge"
    name = lab.start(request)
    message = until(lambda: "capacity" in _message(lab, name) and _message(lab, name), "it does not wait")
    assert message == "Insufficient capacity error from EC2 while launching instances, retrying!"
    assert lab.describe(name)["SecondaryStatus"] == "Starting"
    lab.emulator.capacity("ml.c5.4xlarge", None)
    assert lab.ended(name)["TrainingJobStatus"] == "Completed"


def _message(lab, name):
    return lab.describe(name)["SecondaryStatusTransitions"][-1]["StatusMessage"]


def test_waiting_for_spot_ends_after_the_time_allowed(lab):
    request = lab.spot("well", ResourceConfig=WAITING)
    request["StoppingCondition"] = {"MaxRuntimeInSeconds": 1, "MaxWaitTimeInSeconds": 1}
    told = lab.ended(lab.start(request))
    assert told["TrainingJobStatus"] == "Stopped" and told["SecondaryStatus"] == "MaxWaitTimeExceeded"
    assert "TrainingStartTime" not in told


def test_daemons_end_with_their_job(lab):
    name = lab.start(lab.request("family"))
    lab.ready(name)
    pids = [int(word) for word in lab.said(name).partition("pids ")[2].split("\n")[0].split()]
    assert len(pids) == 3 and all(alive(pid) for pid in pids)
    lab.stop(name)
    assert not any(alive(pid) for pid in pids)


def alive(pid):
    with suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return False
