"""Server of a policy: responses, rejected bodies and shutdown."""

from __future__ import annotations

import json
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from battery_lab.serving import server
from tests.launchers.stub_hydra_app import until
from tests.serving.exported_policies import LAYOUT, body, exported, seen
from tests.serving.partial_requests import HEAD, connect, read_all
from tests.serving.served_policy import served


@pytest.mark.parametrize("rows", [1, 7, 1000])
def test_each_observation_gets_the_action_of_the_trained_policy(both, rows):
    trained, client = both
    status, response = client.ask(body=body(rows))
    assert status == 200
    assert [prediction["action"] for prediction in response["predictions"]] == trained(seen(rows)).tolist()
    assert {prediction["request_mw"] for prediction in response["predictions"]} <= {-10.0, 0.0, 10.0}


def test_large_integers_are_accepted(both):
    trained, client = both
    observation = np.ones((1, LAYOUT.size), np.float32)
    observation[0, 3] = 1e20
    row = [1] * LAYOUT.size
    row[3] = 10**20
    status, response = client.ask(body={"instances": [row]})
    assert (status, response["predictions"][0]["action"]) == (200, trained(observation)[0])


def test_integers_and_a_charset_are_accepted(both):
    trained, client = both
    row = [1] * LAYOUT.size
    kind = "application/json; charset=utf-8"
    status, response = client.ask(body={"instances": [row]}, content_type=kind)
    assert (status, response["predictions"][0]["action"]) == (200, trained(np.ones((1, LAYOUT.size), np.float32))[0])


def test_ping_and_model_respond(both):
    _, client = both
    assert client.ask("/ping") == (200, None)
    status, about = client.ask("/model")
    assert status == 200
    assert (about["observation"], about["asks_for"]) == (list(LAYOUT.names), ["request_mw"])


def test_concurrent_requests_get_their_own_predictions(both):
    trained, client = both
    with ThreadPoolExecutor(16) as pool:
        response = list(pool.map(lambda seed: client.ask(body={"instances": seen(3, seed).tolist()}), range(64)))
    for seed, (status, answer) in enumerate(response):
        assert status == 200
        assert [prediction["action"] for prediction in answer["predictions"]] == trained(seen(3, seed)).tolist()


ROW = [0.0] * LAYOUT.size


@pytest.mark.parametrize(
    ("sent", "status", "message"),
    [
        (b"", 400, "the body must be JSON"),
        (b"{", 400, "the body must be JSON"),
        (b"\xff\xfe", 400, "the body must be JSON"),
        (b'{"instances": [[NaN]]}', 400, "NaN is not a JSON number"),
        (b"[" * 100_000, 400, "the body must be JSON"),
        ([ROW], 400, "the body must hold instances"),
        ({"inputs": [ROW]}, 400, "the body must hold instances"),
        ({"instances": []}, 400, "the body must hold instances"),
        ({"instances": ROW}, 400, r"instances[0] must be a list of 31 numbers, got float"),
        ({"instances": [ROW, ROW[1:]]}, 400, "instances[1] must be a list of 31 numbers, got 30 items"),
        ({"instances": [ROW, [*ROW[1:], "1"]]}, 400, 'instances[1][30] must be a number, got "1"'),
        ({"instances": [[None, *ROW[1:]]]}, 400, "instances[0][0] must be a number, got null"),
        ({"instances": [[True] * 31]}, 400, "instances[0][0] must be a number, got true"),
        ({"instances": [ROW, [0.0, False, *ROW[2:]]]}, 400, "instances[1][1] must be a number, got false"),
        ({"instances": [[[0.0], *ROW[1:]]]}, 400, "instances[0][0] must be a number, got [0.0]"),
        (
            {"instances": [[1, 1e300, *ROW[2:]]]},
            400,
            "instances[0][1] must fit into a 32-bit float, got 1e+",
        ),
        (
            {"instances": [[10**400, *ROW[1:]]]},
            400,
            "instances[0][0] must fit into a 32-bit float, got 1000",
        ),
        ({"instances": [ROW] * 1001}, 413, "a request must have at most 1000 instances, got 1001"),
    ],
)
def test_invalid_body_is_refused(both, sent, status, message):
    _, client = both
    code, response = client.ask(body=sent)
    assert (code, list(response)) == (status, ["error"])
    assert message in response["error"]
    # The next request succeeds.
    assert client.ask(body=body(1))[0] == 200


def test_other_content_type_is_refused(both):
    _, client = both
    code, response = client.ask(body=b"1,2,3", content_type="text/csv")
    assert (code, response["error"]) == (415, "the content type must be application/json, got text/csv")


def test_other_method_or_path_is_refused_in_json(both):
    _, client = both
    assert client.ask("/invocations")[0] == 405
    assert client.ask("/nothing") == (404, {"error": "Not Found"})


def test_ping_responds_during_a_large_request(both, monkeypatch):
    _, client = both
    taken, go = threading.Event(), threading.Event()
    read = server.observations

    def slowly(*given):
        taken.set()
        assert go.wait(20)
        return read(*given)

    monkeypatch.setattr(server, "observations", slowly)
    large = {"instances": seen(1000).tolist()}
    assert len(json.dumps(large)) > server.LARGE_BODY_BYTES
    with ThreadPoolExecutor(1) as pool:
        request_body = pool.submit(client.ask, body=large)
        assert taken.wait(20)
        assert client.ask("/ping")[0] == 200 and not request_body.done()
        go.set()
        assert request_body.result()[0] == 200


def test_internal_error_is_reported_in_json(both, monkeypatch, caplog):
    _, client = both

    def broken(*_):
        raise RuntimeError("no such thing")

    monkeypatch.setattr(server, "observations", broken)
    status, response = client.ask(body=body(1))
    assert (status, response) == (500, {"error": "internal error (RuntimeError): see the log of the server"})


@pytest.mark.parametrize("decision", ["argmax", "tanh_mean", pytest.param("clipped_mean", marks=pytest.mark.walk)])
def test_observation_without_valid_action_is_refused(tmp_path, decision):
    _, artifact = exported(tmp_path, decision)
    far = [ROW, [3e38 if n % 2 else -3e38 for n in range(LAYOUT.size)]]
    with served(artifact) as client:
        status, response = client.ask(body={"instances": far})
    assert status == 400
    assert response["error"].startswith("there is no action for observation 1")


def test_shutdown_finishes_open_requests(tmp_path, monkeypatch):
    trained, artifact = exported(tmp_path)
    content, taken, read = json.dumps(body(2)).encode(), threading.Event(), server.body_of

    def noted(request):
        taken.set()
        return read(request)

    monkeypatch.setattr(server, "body_of", noted)
    with served(artifact) as client:
        length = b"content-length: %d\r\n\r\n" % len(content)
        with connect(client, HEAD + length + content[:10]) as connection:
            assert taken.wait(20)
            client.serving.should_exit = True
            until(lambda: not client.serving.servers[0].is_serving())
            connection.sendall(content[10:])
            content_received = read_all(connection)
    assert b" 200 " in content_received.split(b"\r\n")[0]
    response = json.loads(content_received.rpartition(b"\r\n\r\n")[2])
    assert [prediction["action"] for prediction in response["predictions"]] == trained(seen(2)).tolist()
