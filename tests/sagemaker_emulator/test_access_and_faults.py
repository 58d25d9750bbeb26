"""Access keys are checked, and faults happen as requested."""

from __future__ import annotations

import time
import urllib.error
import urllib.request

import boto3
import pytest
from botocore.exceptions import ClientError

from tests.sagemaker_emulator.stub_jobs import BUCKET

ONCE = {"retries": {"total_max_attempts": 1}}


@pytest.mark.parametrize(
    ("service", "operation", "code"),
    [
        ("sagemaker", "list_training_jobs", "UnrecognizedClientException"),
        ("sagemaker", "list_models", "UnrecognizedClientException"),
        ("logs", "describe_log_groups", "UnrecognizedClientException"),
        ("s3", "list_buckets", "InvalidAccessKeyId"),
        ("sts", "get_caller_identity", "InvalidClientTokenId"),
    ],
)
def test_other_access_keys_are_refused(lab, service, operation, code):
    endpoint = lab.emulator.endpoint_url
    stranger = boto3.Session("AKIAIOSFODNN7EXAMPLE", "secret", region_name="eu-west-1")
    with pytest.raises(ClientError) as refused:
        getattr(stranger.client(service, endpoint_url=endpoint), operation)()
    assert refused.value.response["Error"]["Code"] == code
    assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == 403


@pytest.mark.parametrize("path", ["/", f"/{BUCKET}", "/moto-api/reset", "/emulator/requests", "/emulator/faults"])
def test_requests_without_a_key_are_refused(lab, path):
    for data in (None, b"{}"):
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(f"{lab.emulator.endpoint_url}{path}", data=data)
        assert refused.value.code == 403
    assert lab.emulator.client("sts").get_caller_identity()["Account"] == lab.emulator.account


def test_presigned_urls_are_accepted(lab):
    lab.s3.put_object(Bucket=BUCKET, Key="signed", Body=b"1")
    address = lab.s3.generate_presigned_url("get_object", {"Bucket": BUCKET, "Key": "signed"})
    assert urllib.request.urlopen(address).read() == b"1"


@pytest.mark.parametrize("kind", ["throttle", "error_before"])
def test_clients_retry_after_faults_without_effect(lab, kind):
    lab.emulator.faults.add("CreateTrainingJob", kind, times=2)
    name = lab.start(lab.waiting())
    codes = [each["status"] for each in _created(lab, name)]
    assert codes == [400 if kind == "throttle" else 500] * 2 + [200]
    lab.stop(name)


def test_a_retry_after_a_lost_answer_finds_the_job_in_use(lab):
    lab.emulator.faults.add("CreateTrainingJob", "error_after")
    request = lab.waiting()
    with pytest.raises(lab.sagemaker.exceptions.ResourceInUse):
        lab.start(request)
    name = request["TrainingJobName"]
    assert [each["status"] for each in _created(lab, name)] == [500, 400]
    assert lab.describe(name)["TrainingJobStatus"] == "InProgress"
    lab.stop(name)


def _created(lab, name):
    found = lab.emulator.requests("CreateTrainingJob")
    return [each for each in found if each["parameters"].get("TrainingJobName") == name]


def test_a_client_without_retries_gets_the_error(lab):
    impatient = lab.emulator.client("sagemaker", **ONCE)
    for kind, code in (("throttle", "ThrottlingException"), ("error_before", "InternalFailure")):
        lab.emulator.faults.add("ListModels", kind)
        with pytest.raises(ClientError) as failed:
            impatient.list_models()
        assert failed.value.response["Error"]["Code"] == code
    assert impatient.list_models()["Models"] == []


@pytest.mark.parametrize("kind", ["throttle", "error_before", "error_after"])
def test_clients_of_s3_retry_after_faults(lab, kind):
    key, body = f"faulty/{kind}", b"x" * 300_000
    for operation in ("PutObject", "HeadObject", "GetObject", "ListObjectsV2"):
        lab.emulator.faults.add(operation, kind)
    lab.s3.put_object(Bucket=BUCKET, Key=key, Body=body)
    assert lab.s3.head_object(Bucket=BUCKET, Key=key)["ContentLength"] == len(body)
    assert lab.s3.get_object(Bucket=BUCKET, Key=key)["Body"].read() == body
    assert lab.s3.list_objects_v2(Bucket=BUCKET, Prefix=key)["KeyCount"] == 1
    found = [each for each in lab.emulator.requests() if key in each["parameters"].values()]
    bad = 503 if kind == "throttle" else 500
    assert [each["status"] for each in found] == [bad, 200] * 4


def test_uploads_of_parts_can_fail(lab):
    lab.emulator.faults.add("UploadPart", "error_before", skip=1)
    made = lab.s3.create_multipart_upload(Bucket=BUCKET, Key="parts")
    parts = []
    for number in (1, 2):
        sent = {"Bucket": BUCKET, "Key": "parts", "UploadId": made["UploadId"], "PartNumber": number}
        part = lab.s3.upload_part(**sent, Body=b"y" * (5 << 20 if number == 1 else 3))
        parts.append({"PartNumber": number, "ETag": part["ETag"]})
    lab.s3.complete_multipart_upload(
        Bucket=BUCKET, Key="parts", UploadId=made["UploadId"], MultipartUpload={"Parts": parts}
    )
    assert lab.s3.head_object(Bucket=BUCKET, Key="parts")["ContentLength"] == (5 << 20) + 3
    assert [each["status"] for each in lab.emulator.requests("UploadPart")] == [200, 500, 200]


def test_an_answer_can_be_slow(lab):
    lab.emulator.faults.add("ListModels", "slow", seconds=0.5)
    began = time.monotonic()
    lab.sagemaker.list_models()
    assert time.monotonic() - began >= 0.5


def test_an_unknown_fault_is_refused(lab):
    with pytest.raises(ValueError, match="kind must be one of throttle, error_before, error_after, slow, not 'flood'"):
        lab.emulator.faults.add("ListModels", "flood")
    with pytest.raises(ValueError, match="there is no GET /emulator/weather"):
        lab.emulator.control("GET", "weather")
