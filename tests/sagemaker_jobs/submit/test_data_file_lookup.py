"""Data of a trial are found by a path, a pattern or a URI, and become channels of its job."""

from __future__ import annotations

import pytest
from sagemaker_jobs.submit.data_file_lookup import channel_path, data_files

from battery_lab.common.errors import ConfigError


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
