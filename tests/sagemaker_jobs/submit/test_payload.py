"""What a trial needs travels once, under names by which its job finds it."""

from __future__ import annotations

import pytest
from omegaconf import OmegaConf
from sagemaker_jobs.aws.connection import Connection
from sagemaker_jobs.aws.s3_layout import Places
from sagemaker_jobs.submit.live_tracking import travelling
from sagemaker_jobs.submit.payload import channel_path, data_files, plain_name
from sagemaker_jobs.submit.uploads import Staging

from battery_lab.common.errors import ConfigError, DataError


@pytest.mark.parametrize(
    ("path", "sent"),
    [
        ("/home/me/prices.csv", "/home/me/prices.csv"),
        ("s3://lab/prices.csv", "s3://lab/prices.csv"),
        # A channel takes all whose keys begin so: prices2, too.
        ("s3://lab/prices", "s3://lab/prices/"),
        ("s3://lab/prices/", "s3://lab/prices/"),
    ],
)
def test_data_in_s3_are_an_object_or_a_folder(path, sent):
    assert channel_path("market.path", path) == sent


def test_a_pattern_in_s3_is_told():
    with pytest.raises(ConfigError, match=r"market.path=s3://lab/\*.csv must be an object of S3 or a folder there"):
        channel_path("market.path", "s3://lab/*.csv")


def test_files_of_a_pattern_are_sent_if_they_are_of_one_folder(tmp_path):
    for name in ("a/1.csv", "a/2.csv", "b/1.csv"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    assert data_files("market.path", f"{tmp_path}/a/*.csv") == [tmp_path / "a" / "1.csv", tmp_path / "a" / "2.csv"]
    with pytest.raises(ConfigError, match="must match files of one folder to be sent"):
        data_files("market.path", f"{tmp_path}/*/1.csv")
    with pytest.raises(ConfigError, match="must name a file, a folder or a pattern of this machine"):
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
def test_a_job_logs_live_where_it_can_reach_the_store(uri, live):
    config = OmegaConf.create({"resume": "x", "rerun": "y", "tracking": {"_target_": "t", "uri": uri}})
    told = travelling(config)
    assert (told.tracking.get("uri") == uri) == live
    assert told.tracking._target_ == ("t" if live else "battery_lab.tracking.NoTracking")
    assert told.resume is None and told.rerun is None and config.resume == "x"


def test_long_names_of_sweeps_stay_apart():
    names = {plain_name(f"algo=ppo,dqn_{'x' * 80}_{n:08x}") for n in (1, 2)}
    assert len(names) == 2 and all(len(name) <= 59 for name in names)


@pytest.fixture
def staging(emulator):
    connection = Connection(region=emulator.region, bucket="lab")
    return Staging(connection, Places("lab", "staging", "battery-lab-01234567", "auto"))


def uploads(emulator):
    return [one["parameters"]["Key"] for one in emulator.requests("PutObject")]


def test_data_travel_once_a_digest(emulator, staging, tmp_path):
    files = [tmp_path / name for name in ("a/prices.csv", "b/prices.csv", "c/prices.csv", "c/other.csv")]
    for file, content in zip(files, "1122", strict=True):
        file.parent.mkdir(exist_ok=True)
        file.write_text(content)
    first = staging.data(files[:1])
    done = len(uploads(emulator))
    assert staging.data(files[1:2]) == first and len(uploads(emulator)) == done
    other = staging.data(files[2:3])
    # By another name, too: a job finds it by that.
    assert len({first, other, staging.data(files[3:])}) == 3


def test_what_a_job_may_be_reading_stays(emulator, staging):
    folder = staging.trial(0, "job-0", {"ray_token": b"first"})
    assert staging.trial(0, "job-0", {"ray_token": b"second"}) == folder
    key = folder.removeprefix("s3://lab/") + "/ray_token"
    assert emulator.client("s3").get_object(Bucket="lab", Key=key)["Body"].read() == b"first"


def test_data_in_s3_that_change_are_others(emulator, staging):
    with pytest.raises(DataError, match=r"s3://lab/nothing/ must be an object of S3 or a folder there"):
        staging.mark("s3://lab/nothing/")
    client, marks = emulator.client("s3"), []
    for content in (b"1", b"2"):
        client.put_object(Bucket="lab", Key="given/prices.csv", Body=content)
        fresh = Staging(staging._connection, staging._places)
        marks += [fresh.mark("s3://lab/given/"), fresh.mark("s3://lab/given/")]
    assert marks[0] == marks[1] != marks[2] == marks[3]
