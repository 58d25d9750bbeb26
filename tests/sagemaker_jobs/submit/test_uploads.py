"""Data and files of a trial are uploaded once, under names by which its job finds them."""

from __future__ import annotations

import pytest
from sagemaker_jobs.aws.connection import Connection
from sagemaker_jobs.aws.s3_layout import S3Layout
from sagemaker_jobs.submit.uploads import Uploads

from battery_lab.common.errors import DataError


def make_uploads(emulator):
    connection = Connection(region=emulator.region, bucket="lab")
    return Uploads(connection, S3Layout("lab", "staging", "battery-lab-01234567", "auto"))


@pytest.fixture
def uploads(emulator):
    return make_uploads(emulator)


def uploaded_keys(emulator):
    return [request["parameters"]["Key"] for request in emulator.requests("PutObject")]


def test_data_are_uploaded_once_per_digest(emulator, uploads, tmp_path):
    files = [tmp_path / name for name in ("a/prices.csv", "b/prices.csv", "c/prices.csv", "c/other.csv")]
    for file, content in zip(files, "1122", strict=True):
        file.parent.mkdir(exist_ok=True)
        file.write_text(content)
    first = uploads.data(files[:1])
    done = len(uploaded_keys(emulator))
    assert uploads.data(files[1:2]) == first and len(uploaded_keys(emulator)) == done
    other = uploads.data(files[2:3])
    # The name counts, because a job finds its data by it.
    assert len({first, other, uploads.data(files[3:])}) == 3


def test_files_that_a_job_may_be_reading_are_kept(emulator, uploads):
    folder = uploads.trial(0, "job-0", {"ray_token": b"first"})
    assert uploads.trial(0, "job-0", {"ray_token": b"second"}) == folder
    key = folder.removeprefix("s3://lab/") + "/ray_token"
    assert emulator.client("s3").get_object(Bucket="lab", Key=key)["Body"].read() == b"first"


def test_the_digest_of_data_in_s3_changes_with_them(emulator, uploads):
    with pytest.raises(DataError, match=r"s3://lab/nothing/ must be an object or a folder in S3"):
        uploads.content_digest("s3://lab/nothing/")
    client, digests = emulator.client("s3"), []
    for content in (b"1", b"2"):
        client.put_object(Bucket="lab", Key="given/prices.csv", Body=content)
        fresh = make_uploads(emulator)
        digests += [fresh.content_digest("s3://lab/given/"), fresh.content_digest("s3://lab/given/")]
    assert digests[0] == digests[1] != digests[2] == digests[3]
