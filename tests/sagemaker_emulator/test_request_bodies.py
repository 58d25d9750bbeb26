"""Bodies of requests: compressed ones are read, and invalid ones are refused."""

from __future__ import annotations

import json
import urllib.error
import urllib.request

import pytest
from botocore.exceptions import ClientError


def test_a_body_that_is_not_json_is_refused(lab):
    key = lab.emulator.credentials.access_key_id
    headers = {
        "Authorization": f"AWS4-HMAC-SHA256 Credential={key}/20260101/eu-west-1/sagemaker/aws4_request, x",
        "X-Amz-Target": "SageMaker.ListModels",
    }
    request = urllib.request.Request(lab.emulator.endpoint_url, data=b"{", headers=headers)
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(request)
    assert json.load(refused.value)["__type"] == "SerializationException"


@pytest.mark.parametrize(("points", "compressed"), [(1, False), (400, True)])
def test_compressed_bodies_are_read(lab, points, compressed):
    client, sent = lab.emulator.client("cloudwatch"), []
    client.meta.events.register(
        "before-send", lambda request, **_: sent.append(request.headers.get("Content-Encoding"))
    )
    data = [{"MetricName": f"metric-{n}", "Value": float(n)} for n in range(points)]
    name = f"of-{points}"
    client.put_metric_data(Namespace=name, MetricData=data)
    assert bool(sent[-1]) == compressed
    pages = client.get_paginator("list_metrics").paginate(Namespace=name)
    assert len([metric for page in pages for metric in page["Metrics"]]) == points


def test_an_invalid_compressed_body_is_refused(lab):
    client = lab.emulator.client("cloudwatch")
    data = [{"MetricName": f"metric-{n}", "Value": 0.0} for n in range(400)]

    def spoil(request, **_):
        request.data = request.body = bytes(request.body)[:40]
        request.headers["Content-Length"] = "40"

    client.meta.events.register("before-send", spoil)
    with pytest.raises(ClientError, match="The request cannot be read: it is cut off"):
        client.put_metric_data(Namespace="spoilt", MetricData=data)
