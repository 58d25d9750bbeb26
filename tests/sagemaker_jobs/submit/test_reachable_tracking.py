"""Reachable tracking servers: all but those on this machine only."""

from __future__ import annotations

import pytest
from sagemaker_jobs.submit.reachable_tracking import is_reachable


@pytest.mark.parametrize(
    ("uri", "reachable"),
    [
        ("sqlite:///outputs/mlflow.db", False),
        ("http://127.0.0.1:5000", False),
        ("http://localhost:5000", False),
        ("https://mlflow.example.org", True),
        ("arn:aws:sagemaker:eu-west-1:123456789012:mlflow-tracking-server/lab", True),
    ],
)
def test_a_server_is_reachable_if_it_is_not_on_this_machine_only(uri, reachable):
    assert is_reachable(uri) == reachable
