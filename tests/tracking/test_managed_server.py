"""Managed MLflow servers: the extra that they need, and signed requests."""

from __future__ import annotations

import pytest
import requests

from battery_lab.common.errors import ConfigError
from battery_lab.tracking.mlflow_connection import Address, connect

ARN = "arn:aws:sagemaker:eu-west-1:123456789012:mlflow-tracking-server/lab"


def test_managed_server_needs_its_plugin(monkeypatch):
    monkeypatch.setattr("battery_lab.tracking.mlflow_connection.find_spec", lambda name: None)
    with pytest.raises(
        ConfigError, match=f"tracking.uri={ARN} needs the extra aws, which is not installed: make setup-"
    ):
        connect(Address(ARN, "trials", None))


def test_requests_to_a_managed_server_are_signed_and_name_it(monkeypatch):
    pytest.importorskip("sagemaker_mlflow", reason="the extra aws is not installed")
    import mlflow

    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "key")
    seen = []

    def caught(method, url, **given):
        request = requests.Request(method, url, headers=given.get("headers"))
        seen.append(given["auth"](requests.Session().prepare_request(request)))
        raise requests.ConnectionError("no request is expected")

    monkeypatch.setattr("mlflow.utils.rest_utils._get_http_response_with_retries", lambda *a, **k: caught(*a[:2], **k))
    before = mlflow.get_tracking_uri()
    try:
        with pytest.raises(Exception, match="no request is expected"):
            connect(Address(ARN, "trials", None))
    finally:
        mlflow.set_tracking_uri(before)
    headers = {name.lower(): value for name, value in seen[0].headers.items()}
    assert seen[0].url.startswith("https://") and "eu-west-1" in seen[0].url
    assert headers["x-mlflow-sm-tracking-server-arn"] == ARN
    assert headers["authorization"].startswith("AWS4-HMAC-SHA256 Credential=key/")
