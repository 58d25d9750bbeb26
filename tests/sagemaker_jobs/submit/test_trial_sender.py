"""Data and files of a trial are uploaded once, under names by which its job finds them."""

from __future__ import annotations

import pytest
from omegaconf import OmegaConf
from sagemaker_jobs.aws.connection import Connection
from sagemaker_jobs.aws.s3_layout import S3Layout
from sagemaker_jobs.submit.data_file_lookup import channel_path, data_files
from sagemaker_jobs.submit.live_tracking import config_for_job
from sagemaker_jobs.submit.trial_sender import experiment_name
from sagemaker_jobs.submit.uploads import Uploads

from battery_lab.common.errors import ConfigError, DataError


@pytest.mark.parametrize(
    ("path", "channel"),
    [
        ("/home/me/prices.csv", "/home/me/prices.csv"),
        ("s3://lab/prices.csv", "s3://lab/prices.csv"),
        # Without the slash a channel would take prices2, too.
        ("s3://lab/prices", "s3://lab/prices/"),
        ("s3://lab/prices/", "s3://lab/prices/"),
    ],
)
def test_a_folder_in_s3_gets_a_slash(path, channel):
    assert channel_path("market.path", path) == channel


def test_a_pattern_in_s3_is_an_error():
    with pytest.raises(ConfigError, match=r"market.path=s3://lab/\*.csv must be an object or a folder in S3"):
        channel_path("market.path", "s3://lab/*.csv")


def test_a_pattern_must_match_files_of_one_folder(tmp_path):
    for name in ("a/1.csv", "a/2.csv", "b/1.csv"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    assert data_files("market.path", f"{tmp_path}/a/*.csv") == [tmp_path / "a" / "1.csv", tmp_path / "a" / "2.csv"]
    with pytest.raises(ConfigError, match="must match files of one folder, to be uploaded"):
        data_files("market.path", f"{tmp_path}/*/1.csv")
    with pytest.raises(ConfigError, match="must be a file, a folder or a pattern on this machine"):
        data_files("market.path", f"{tmp_path}/c")


@pytest.mark.parametrize(
    ("uri", "live"),
    [
        ("sqlite:///outputs/mlflow.db", False),
        ("http://127.0.0.1:5000", False),
        ("http://localhost:5000", False),
        ("https://mlflow.example.org", True),
        ("arn:aws:sagemaker:eu-west-1:123456789012:mlflow-tracking-server/lab", True),
    ],
)
def test_a_job_logs_live_to_a_server_that_it_can_reach(uri, live):
    config = OmegaConf.create({"resume": "x", "rerun": "y", "tracking": {"_target_": "t", "uri": uri}})
    job_config = config_for_job(config)
    assert (job_config.tracking.get("uri") == uri) == live
    assert job_config.tracking._target_ == ("t" if live else "battery_lab.tracking.NoTracking")
    assert job_config.resume is None and job_config.rerun is None and config.resume == "x"


def test_long_names_of_sweeps_stay_different():
    names = {experiment_name(f"algo=ppo,dqn_{'x' * 80}_{n:08x}") for n in (1, 2)}
    assert len(names) == 2 and all(len(name) <= 59 for name in names)


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
