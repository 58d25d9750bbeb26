"""Errors of AWS: which are worth another attempt."""

from __future__ import annotations

from sagemaker_jobs.aws.errors import is_transient

from battery_lab.common.errors import DataError


def test_only_errors_that_a_retry_can_fix_are_transient():
    from botocore.exceptions import ConnectTimeoutError

    assert is_transient(ConnectTimeoutError(endpoint_url="https://s3"))
    assert not any(is_transient(error) for error in (ValueError("no"), FileNotFoundError("no"), DataError("60 GiB")))
