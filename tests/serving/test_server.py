"""Server of a policy: responses, rejected requests and shutdown."""

from __future__ import annotations

import json
import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import numpy as np
import pytest

from battery_lab.common.errors import ConfigError
from battery_lab.serving import request_body, server
from tests.launchers.app import until
from tests.serving.exported import LAYOUT, exported, seen, served


@pytest.fixture(scope="module")
def both(tmp_path_factory):
    """A trained policy and a client of its server."""
    trained, artifact = exported(tmp_path_factory.mktemp("served"))
    with served(artifact) as client:
        yield trained, client


def body(rows):
    return {"instances": seen(rows).tolist()}


@pytest.mark.parametrize("rows", [1, 7, 1000])
def test_each_observation_gets_the_action_of_the_trained_policy(both, rows):
    trained, client = both
    status, response = client.ask(body=body(rows))
    assert status == 200
    assert [one["action"] for one in response["predictions"]] == trained(seen(rows)).tolist()
    assert {one["request_mw"] for one in response["predictions"]} <= {-10.0, 0.0, 10.0}


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
    assert (about["observation"], about["asks_for"]) == (list(LAYOUT.names), "request_mw")


def test_concurrent_requests_get_their_own_predictions(both):
    trained, client = both
    with ThreadPoolExecutor(16) as pool:
        response = list(pool.map(lambda seed: client.ask(body={"instances": seen(3, seed).tolist()}), range(64)))
    for seed, (status, answer) in enumerate(response):
        assert status == 200
        assert [one["action"] for one in answer["predictions"]] == trained(seen(3, seed)).tolist()


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


def raw(client, *parts):
    """Send bytes and return the status line of the response."""
    with socket.create_connection(("127.0.0.1", client.port), timeout=20) as connection:
        for part in parts:
            connection.sendall(part)
        return connection.recv(4096).split(b"\r\n")[0]


HEAD = b"POST /invocations HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n"


def test_large_content_length_is_refused_before_the_body_arrives(both):
    _, client = both
    assert b" 413 " in raw(client, HEAD + b"content-length: 6291457\r\n\r\n")


def test_chunked_body_is_refused_when_it_exceeds_the_limit(both, monkeypatch):
    _, client = both
    monkeypatch.setattr(request_body, "MAX_BODY_BYTES", 1 << 20)
    chunk = b"80000\r\n" + b" " * 0x80000 + b"\r\n"
    assert b" 413 " in raw(client, HEAD + b"transfer-encoding: chunked\r\n\r\n", chunk, chunk, b"1\r\n \r\n")


def test_body_that_does_not_arrive_times_out(both, monkeypatch):
    _, client = both
    monkeypatch.setattr(request_body, "BODY_TIMEOUT_S", 0.2)
    assert b" 408 " in raw(client, HEAD + b"content-length: 100\r\n\r\n{")


@pytest.mark.parametrize(
    ("host", "port", "message"),
    [
        ("here", 0, "host must be an IP address such as 127.0.0.1, got 'here'"),
        ("127.0.0.1", 65536, r"port must be from 0 \(any free port\) to 65535, got 65536"),
        ("192.0.2.1", 0, "port=0 of 192.0.2.1 is not available"),
    ],
)
def test_unavailable_address_is_an_error(host, port, message):
    with pytest.raises(ConfigError, match=message):
        server.listen(host, port)


def test_taken_port_is_an_error():
    with (
        server.listen("127.0.0.1", 0) as first,
        pytest.raises(ConfigError, match=r"is not available: Address already in use; choose another port="),
    ):
        server.listen("127.0.0.1", first.getsockname()[1])


def test_socket_names_tcp_as_its_protocol():
    # Otherwise asyncio does not set TCP_NODELAY, and responses take 40 ms longer.
    with server.listen("localhost", 0) as listening:
        assert listening.proto == socket.IPPROTO_TCP
        assert listening.getsockname()[0] == "127.0.0.1"


def test_foreign_host_name_is_refused(both):
    # The host name of a web page could resolve to this machine.
    _, client = both
    for name in (b"evil.example", b"127.0.0.1.evil.example", b"[", b""):
        assert b" 400 " in raw(client, b"GET /model HTTP/1.1\r\nhost: " + name + b"\r\n\r\n"), name
    assert client.ask("/model", host="evil.example")[1] == {"error": "the host must be one of 127.0.0.1, localhost"}
    for own in (b"127.0.0.1", b"localhost:%d" % client.port):
        assert b" 200 " in raw(client, b"GET /model HTTP/1.1\r\nhost: " + own + b"\r\n\r\n")


@pytest.mark.parametrize(
    ("host", "names"),
    [("127.0.0.1", 2), ("127.0.0.2", 2), ("::1", 2), ("0.0.0.0", 0), ("192.0.2.7", 0)],
)
def test_host_names_are_checked_only_on_loopback_addresses(monkeypatch, host, names):
    request_body = []
    monkeypatch.setattr(server, "app", lambda artifact, names: request_body.append(names))
    server.server(None, SimpleNamespace(getsockname=lambda: (host, 80)))
    assert request_body == [(host, "localhost")] if names else [()]


def connect(client, *parts):
    connection = socket.create_connection(("127.0.0.1", client.port), timeout=20)
    for part in parts:
        connection.sendall(part)
    return connection


def read_all(connection):
    """Return everything until the server closes the connection."""
    pieces = []
    while piece := connection.recv(1 << 16):
        pieces.append(piece)
    return b"".join(pieces)


def test_too_many_concurrent_requests_get_503(both, monkeypatch):
    _, client = both
    monkeypatch.setattr(server, "MAX_CONCURRENT", 3)
    waiting = [connect(client, HEAD + b"content-length: 2\r\n\r\n{") for _ in range(3)]
    until(lambda: client.ask(body=body(1))[0] == 503)
    assert client.ask(body=body(1))[1] == {"error": "3 requests are being processed: try again later"}
    # SageMaker must not consider the server dead.
    assert client.ask("/ping") == (200, None)
    for one in waiting:
        one.sendall(b"}")
        assert b" 400 " in one.recv(4096).split(b"\r\n")[0]
        one.close()
    until(lambda: client.ask(body=body(1))[0] == 200)


def test_client_receives_the_error_while_it_still_sends(both):
    # A server that closes the connection too early loses its response.
    _, client = both
    for size, kind, status in ((7 << 20, "application/json", 413), (3 << 20, "text/csv", 415)):
        assert client.ask(body=b" " * size, content_type=kind)[0] == status


def test_connection_is_closed_after_a_body_timeout(both, monkeypatch):
    _, client = both
    monkeypatch.setattr(request_body, "BODY_TIMEOUT_S", 0.2)
    with connect(client, HEAD + b"content-length: 100\r\n\r\n{") as connection:
        content_received = read_all(connection)
    assert b" 408 " in content_received.split(b"\r\n")[0] and b"connection: close" in content_received.lower()


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
    assert [one["action"] for one in response["predictions"]] == trained(seen(2)).tolist()
