"""Channels: data are found under the name that they have on the launcher's machine."""

from __future__ import annotations

import pytest
from sagemaker_jobs.container.channels import data_path


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/home/me/prices.csv", "prices.csv"),
        ("/home/me/prices_*.csv", "prices_*.csv"),
        ("/home/me/prices", ""),
        ("s3://bucket/prices/", ""),
        ("s3://bucket/prices/prices.csv", "prices.csv"),
    ],
)
def test_data_are_found_in_their_channel(tmp_path, path, name):
    (tmp_path / "prices.csv").touch()
    assert data_path(path, tmp_path) == str(tmp_path / name if name else tmp_path)
