"""Training jobs: inputs, results, failures, stops and interruptions."""

from __future__ import annotations

import json
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from botocore.exceptions import ClientError

from tests.sagemaker_emulator.stub_jobs import BUCKET, LOGS, WAITING, statuses, until

ON_SPOT = ["Starting", "Downloading", "Training", "Interrupted", "Starting", "Downloading", "Training"]


def test_a_job_gets_its_inputs_and_uploads_its_results(lab):
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
    job = lab.finished(name)
    assert job["TrainingJobStatus"] == "Completed", job
    assert statuses(job) == ["Starting", "Downloading", "Training", "Uploading", "Completed"]
    for member in set(request) - {"Tags", "OutputDataConfig"}:
        assert job[member] == request[member], member
    assert job["OutputDataConfig"]["KmsKeyId"] == "key-1"
    assert job["CreationTime"] <= job["TrainingStartTime"] <= job["TrainingEndTime"] <= job["LastModifiedTime"]
    assert job["TrainingTimeInSeconds"] == job["BillableTimeInSeconds"] >= 1
    assert lab.sagemaker.list_tags(ResourceArn=job["TrainingJobArn"])["Tags"] == request["Tags"]
    _check_artifacts(lab, name, job)
    _check_metrics(lab, name, job)


def _check_artifacts(lab, name, job):
    assert job["ModelArtifacts"]["S3ModelArtifacts"] == f"s3://{BUCKET}/out/{name}/output/model.tar.gz"
    assert lab.unpacked(f"out/{name}/output/output.tar.gz") == {"report.txt": b"a report"}
    seen = json.loads(lab.unpacked(f"out/{name}/output/model.tar.gz")["seen.json"])
    assert seen["hyperparameters"] == {"alpha": 0.5, "does": "well"}
    assert seen["files"] == ["more", "more/demand.csv", "prices.csv"]
    environment = seen["environment"]
    assert environment["LAB_COLOUR"] == "grün"
    assert environment["TRAINING_JOB_NAME"] == name and environment["TRAINING_JOB_ARN"] == job["TrainingJobArn"]
    assert environment["AWS_ENDPOINT_URL"] == lab.emulator.endpoint_url
    assert environment["AWS_ACCESS_KEY_ID"] == lab.emulator.credentials.access_key_id
    group = {"instance_group_name": "homogeneousCluster", "instance_type": "ml.c5.xlarge", "hosts": ["algo-1"]}
    assert seen["resources"]["hosts"] == ["algo-1"] and seen["resources"]["instance_groups"] == [group]
    assert not (lab.emulator.work / "jobs" / "eu-west-1" / name / "1" / "algo-1").exists()


def _check_metrics(lab, name, job):
    assert [(each["MetricName"], each["Value"]) for each in job["FinalMetricDataList"]] == [("capture", 0.75)]
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
    assert [(each["Minimum"], each["Maximum"], each["SampleCount"]) for each in found] == [(-1.0, 0.75, 3.0)]
    streams = lab.logs.describe_log_streams(logGroupName=LOGS, logStreamNamePrefix=name)
    assert [each["logStreamName"].rpartition("-")[0] for each in streams["logStreams"]] == [f"{name}/algo-1"]
    assert "capture=0.5" in lab.output(name).splitlines()


def test_the_error_of_the_entry_point_is_the_failure_reason(lab):
    first, second = lab.start(lab.request("say")), lab.start(lab.request("raise"))
    job = lab.finished(first)
    assert job["TrainingJobStatus"] == job["SecondaryStatus"] == "Failed"
    assert job["FailureReason"].startswith("AlgorithmError: ExecuteUserScriptError")
    assert "ValueError: capacity_mwh must be positive: -1" in job["FailureReason"]
    assert job["FailureReason"].endswith(", exit code: 1")
    assert job["SecondaryStatusTransitions"][-1]["StatusMessage"] == job["FailureReason"]
    assert "ModelArtifacts" not in job
    assert len(lab.finished(second)["FailureReason"]) == 1024


def test_the_environment_can_choose_the_training_module(lab):
    # Not the emulator's module.
    request = lab.request("say", Environment={"SAGEMAKER_TRAINING_MODULE": "sagemaker_training.cli.plain:main"})
    job = lab.finished(lab.start(request))
    assert "No module named 'sagemaker_training.cli.plain'" in job["FailureReason"]


def test_missing_data_fail_the_job(lab):
    source = {"S3DataType": "S3Prefix", "S3Uri": f"s3://{BUCKET}/nowhere"}
    channel = {"ChannelName": "market", "DataSource": {"S3DataSource": source}}
    job = lab.finished(lab.start(lab.request(InputDataConfig=[channel])))
    assert statuses(job) == ["Starting", "Downloading", "Failed"]
    assert f'No S3 objects found under S3 URL "s3://{BUCKET}/nowhere"' in job["FailureReason"]


def test_a_stopped_job_can_save_a_checkpoint_and_its_output_is_uploaded(lab):
    request = lab.request("wait")
    uri = f"s3://{BUCKET}/checkpoints/{request['TrainingJobName']}"
    name = lab.start(request | {"CheckpointConfig": {"S3Uri": uri}})
    lab.ready(name)
    job = lab.stop(name)
    assert job["TrainingJobStatus"] == job["SecondaryStatus"] == "Stopped"
    assert statuses(job) == ["Starting", "Downloading", "Training", "Stopping", "Uploading", "Stopped"]
    assert lab.object(f"checkpoints/{name}/last") == b"saved"
    assert lab.object(f"out/{name}/output/model.tar.gz")
    with pytest.raises(ClientError, match="ValidationException.*is in status Stopped"):
        lab.sagemaker.stop_training_job(TrainingJobName=name)


def test_a_job_that_ignores_sigterm_is_killed_after_the_grace_period(lab):
    name = lab.start(lab.request("deaf", StoppingCondition={"MaxRuntimeInSeconds": 2}))
    job = lab.finished(name)
    assert job["TrainingJobStatus"] == "Stopped" and job["SecondaryStatus"] == "MaxRuntimeExceeded"
    assert 3 <= job["TrainingTimeInSeconds"] <= 8


def test_an_interrupted_spot_job_resumes_from_its_uploaded_checkpoint(lab):
    name = lab.start(lab.spot("count"))
    lab.ready(name)
    until(lambda: lab.object(f"checkpoints/{name}/count") == b"7", "the checkpoint is not there")
    lab.emulator.interrupt(name)
    job = lab.finished(name)
    assert statuses(job) == [*ON_SPOT, "Uploading", "Completed"]
    assert job["FinalMetricDataList"][0]["Value"] == 7
    assert job["EnableManagedSpotTraining"] is True
    assert job["BillableTimeInSeconds"] < job["TrainingTimeInSeconds"]
    assert len(lab.logs.describe_log_streams(logGroupName=LOGS, logStreamNamePrefix=name)["logStreams"]) == 2


def test_a_spot_job_with_a_warning_can_save_a_checkpoint(lab):
    name = lab.start(lab.spot("wait"))
    lab.ready(name)
    lab.emulator.interrupt(name)
    until(lambda: lab.output(name).count("\nready") == 2, "it did not start again")
    assert lab.object(f"checkpoints/{name}/last") is None
    lab.emulator.interrupt(name, warning_s=5)
    until(lambda: statuses(lab.describe(name)).count("Interrupted") == 2, "it is not interrupted again")
    assert lab.object(f"checkpoints/{name}/last") == b"saved"
    lab.stop(name)


def test_only_spot_jobs_have_spot_interruptions(lab):
    name = lab.start(lab.request("wait"))
    lab.ready(name)
    with pytest.raises(ValueError, match="does not run on spot instances"):
        lab.emulator.interrupt(name)
    with pytest.raises(ValueError, match="no training job nobody"):
        lab.emulator.interrupt("nobody")
    lab.emulator.interrupt(name, kind="internal")
    job = lab.finished(name)
    assert job["TrainingJobStatus"] == "Failed"
    assert job["FailureReason"].startswith("InternalServerError")


def test_the_service_retries_after_an_internal_error(lab):
    request = lab.spot("count", RetryStrategy={"MaximumRetryAttempts": 1})
    name = lab.start(request)
    lab.ready(name)
    until(lambda: lab.object(f"checkpoints/{name}/count") == b"7", "the checkpoint is not there")
    lab.emulator.interrupt(name, kind="internal")
    job = lab.finished(name)
    assert job["TrainingJobStatus"] == "Completed"
    assert statuses(job)[3:5] == ["Restarting", "Starting"]


def test_a_job_waits_for_capacity(lab):
    lab.emulator.capacity("ml.c5.4xlarge", 0)
    request = lab.request()
    request["ResourceConfig"]["InstanceType"] = "ml.c5.4xlarge"
    name = lab.start(request)
    message = until(lambda: "capacity" in _message(lab, name) and _message(lab, name), "it does not wait")
    assert message == "Insufficient capacity error from EC2 while launching instances, retrying!"
    assert lab.describe(name)["SecondaryStatus"] == "Starting"
    lab.emulator.capacity("ml.c5.4xlarge", None)
    assert lab.finished(name)["TrainingJobStatus"] == "Completed"


def _message(lab, name):
    return lab.describe(name)["SecondaryStatusTransitions"][-1]["StatusMessage"]


def test_waiting_for_spot_capacity_ends_after_max_wait_time(lab):
    request = lab.spot("well", ResourceConfig=WAITING)
    request["StoppingCondition"] = {"MaxRuntimeInSeconds": 1, "MaxWaitTimeInSeconds": 1}
    job = lab.finished(lab.start(request))
    assert job["TrainingJobStatus"] == "Stopped" and job["SecondaryStatus"] == "MaxWaitTimeExceeded"
    assert "TrainingStartTime" not in job


def test_daemons_end_with_their_job(lab):
    name = lab.start(lab.request("family"))
    lab.ready(name)
    pids = [int(word) for word in lab.output(name).partition("pids ")[2].split("\n")[0].split()]
    assert len(pids) == 3 and all(alive(pid) for pid in pids)
    lab.stop(name)
    assert not any(alive(pid) for pid in pids)


def alive(pid):
    with suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return False
