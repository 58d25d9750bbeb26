"""The server of a policy: what it answers, what it refuses, and how it ends."""

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
    status, told = client.ask(body=body(rows))
    assert status == 200
    assert [one["action"] for one in told["predictions"]] == trained(seen(rows)).tolist()
    assert {one["request_mw"] for one in told["predictions"]} <= {-10.0, 0.0, 10.0}


def test_large_whole_numbers_are_numbers(both):
    trained, client = both
    observation = np.ones((1, LAYOUT.size), np.float32)
    observation[0, 3] = 1e20
    row = [1] * LAYOUT.size
    row[3] = 10**20
    status, told = client.ask(body={"instances": [row]})
    assert (status, told["predictions"][0]["action"]) == (200, trained(observation)[0])


def test_whole_numbers_and_a_charset_are_taken(both):
    trained, client = both
    row = [1] * LAYOUT.size
    kind = "application/json; charset=utf-8"
    status, told = client.ask(body={"instances": [row]}, content_type=kind)
    assert (status, told["predictions"][0]["action"]) == (200, trained(np.ones((1, LAYOUT.size), np.float32))[0])


def test_it_says_that_it_is_there_and_what_it_is(both):
    _, client = both
    assert client.ask("/ping") == (200, None)
    status, about = client.ask("/model")
    assert status == 200
    assert (about["observation"], about["asks_for"]) == (list(LAYOUT.names), "request_mw")


def test_many_are_answered_at_once(both):
    trained, client = both
    with ThreadPoolExecutor(16) as pool:
        told = list(pool.map(lambda seed: client.ask(body={"instances": seen(3, seed).tolist()}), range(64)))
    for seed, (status, answer) in enumerate(told):
        assert status == 200
        assert [one["action"] for one in answer["predictions"]] == trained(seen(3, seed)).tolist()


ROW = [0.0] * LAYOUT.size


@pytest.mark.parametrize(
    ("sent", "status", "message"),
    [
        (b"", 400, "the body must be JSON"),
        (b"{", 400, "the body must be JSON"),
        (b"\xff\xfe", 400, "the body must be JSON"),
        (b'{"instances": [[NaN]]}', 400, "NaN is no number of JSON"),
        (b"[" * 100_000, 400, "the body must be JSON"),
        ([ROW], 400, "the body must hold instances"),
        ({"inputs": [ROW]}, 400, "the body must hold instances"),
        ({"instances": []}, 400, "the body must hold instances"),
        ({"instances": ROW}, 400, r"instances[0] must be a list of 31 numbers, and has none"),
        ({"instances": [ROW, ROW[1:]]}, 400, "instances[1] must be a list of 31 numbers, and has 30"),
        ({"instances": [ROW, [*ROW[1:], "1"]]}, 400, 'instances[1][30] must be a number, and is "1"'),
        ({"instances": [[None, *ROW[1:]]]}, 400, "instances[0][0] must be a number, and is null"),
        ({"instances": [[True] * 31]}, 400, "instances[0][0] must be a number, and is true"),
        ({"instances": [ROW, [0.0, False, *ROW[2:]]]}, 400, "instances[1][1] must be a number, and is false"),
        ({"instances": [[[0.0], *ROW[1:]]]}, 400, "instances[0][0] must be a number, and is [0.0]"),
        (
            {"instances": [[1, 1e300, *ROW[2:]]]},
            400,
            "instances[0][1] must be a number that 32 bits can hold, and is 1e+",
        ),
        (
            {"instances": [[10**400, *ROW[1:]]]},
            400,
            "instances[0][0] must be a number that 32 bits can hold, and is 1000",
        ),
        ({"instances": [ROW] * 1001}, 413, "instances must be at most 1000 a request, and are 1001"),
    ],
)
def test_what_is_no_list_of_observations_is_refused(both, sent, status, message):
    _, client = both
    code, told = client.ask(body=sent)
    assert (code, list(told)) == (status, ["error"])
    assert message in told["error"]
    # And the next one is served.
    assert client.ask(body=body(1))[0] == 200


def test_another_content_type_is_refused(both):
    _, client = both
    code, told = client.ask(body=b"1,2,3", content_type="text/csv")
    assert (code, told["error"]) == (415, "the content type must be application/json, and is text/csv")


def test_another_method_or_path_is_refused_in_json(both):
    _, client = both
    assert client.ask("/invocations")[0] == 405
    assert client.ask("/nothing") == (404, {"error": "Not Found"})


def raw(client, *parts):
    """Send bytes and return the status line of the answer."""
    with socket.create_connection(("127.0.0.1", client.port), timeout=20) as connection:
        for part in parts:
            connection.sendall(part)
        return connection.recv(4096).split(b"\r\n")[0]


HEAD = b"POST /invocations HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n"


def test_a_body_that_is_announced_too_large_is_refused_before_it_is_sent(both):
    _, client = both
    assert b" 413 " in raw(client, HEAD + b"content-length: 6291457\r\n\r\n")


def test_a_body_that_grows_too_large_is_refused_on_its_way(both, monkeypatch):
    _, client = both
    monkeypatch.setattr(request_body, "LARGEST_BODY_BYTES", 1 << 20)
    chunk = b"80000\r\n" + b" " * 0x80000 + b"\r\n"
    assert b" 413 " in raw(client, HEAD + b"transfer-encoding: chunked\r\n\r\n", chunk, chunk, b"1\r\n \r\n")


def test_a_body_that_does_not_come_is_not_waited_for(both, monkeypatch):
    _, client = both
    monkeypatch.setattr(request_body, "SLOWEST_BODY_S", 0.2)
    assert b" 408 " in raw(client, HEAD + b"content-length: 100\r\n\r\n{")


@pytest.mark.parametrize(
    ("host", "port", "message"),
    [
        ("here", 0, "host must be an address such as 127.0.0.1, got 'here'"),
        ("127.0.0.1", 65536, r"port must be 0 \(any that is free\) to 65535, got 65536"),
        ("192.0.2.1", 0, "port=0 of 192.0.2.1 cannot be had"),
    ],
)
def test_an_address_that_cannot_be_had_is_told(host, port, message):
    with pytest.raises(ConfigError, match=message):
        server.listen(host, port)


def test_a_port_that_is_taken_is_told():
    with (
        server.listen("127.0.0.1", 0) as first,
        pytest.raises(ConfigError, match=r"cannot be had: Address already in use; choose another port="),
    ):
        server.listen("127.0.0.1", first.getsockname()[1])


def test_a_socket_says_that_it_is_of_tcp():
    # From which asyncio takes it that answers are to be sent at once, and not 40 ms later.
    with server.listen("localhost", 0) as listening:
        assert listening.proto == socket.IPPROTO_TCP
        assert listening.getsockname()[0] == "127.0.0.1"


def test_a_name_of_another_site_is_not_answered_to(both):
    # A page of that site could have it resolve to this machine.
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
def test_only_who_listens_to_this_machine_alone_minds_its_names(monkeypatch, host, names):
    request_body = []
    monkeypatch.setattr(server, "app", lambda artifact, names: request_body.append(names))
    server.server(None, SimpleNamespace(getsockname=lambda: (host, 80)))
    assert request_body == [(host, "localhost")] if names else [()]


def connect(client, *parts):
    connection = socket.create_connection(("127.0.0.1", client.port), timeout=20)
    for part in parts:
        connection.sendall(part)
    return connection


def everything(connection):
    """What comes until the other side hangs up."""
    pieces = []
    while piece := connection.recv(1 << 16):
        pieces.append(piece)
    return b"".join(pieces)


def test_more_than_can_be_answered_at_once_are_told_to_come_again(both, monkeypatch):
    _, client = both
    monkeypatch.setattr(server, "MOST_AT_ONCE", 3)
    waiting = [connect(client, HEAD + b"content-length: 2\r\n\r\n{") for _ in range(3)]
    until(lambda: client.ask(body=body(1))[0] == 503)
    assert client.ask(body=body(1))[1] == {"error": "3 requests are on their way: come again"}
    # The service is not to think that it is gone.
    assert client.ask("/ping") == (200, None)
    for one in waiting:
        one.sendall(b"}")
        assert b" 400 " in one.recv(4096).split(b"\r\n")[0]
        one.close()
    until(lambda: client.ask(body=body(1))[0] == 200)


def test_whoever_sends_too_much_or_the_wrong_kind_hears_so(both):
    # Who hangs up on a client that still sends is not heard.
    _, client = both
    for size, kind, status in ((7 << 20, "application/json", 413), (3 << 20, "text/csv", 415)):
        assert client.ask(body=b" " * size, content_type=kind)[0] == status


def test_what_comes_after_a_body_that_came_too_late_is_no_request(both, monkeypatch):
    _, client = both
    monkeypatch.setattr(request_body, "SLOWEST_BODY_S", 0.2)
    with connect(client, HEAD + b"content-length: 100\r\n\r\n{") as connection:
        said = everything(connection)
    assert b" 408 " in said.split(b"\r\n")[0] and b"connection: close" in said.lower()


def test_a_ping_is_answered_amid_a_large_body(both, monkeypatch):
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


def test_a_failure_of_the_server_is_told_in_json(both, monkeypatch, caplog):
    _, client = both

    def broken(*_):
        raise RuntimeError("no such thing")

    monkeypatch.setattr(server, "observations", broken)
    status, told = client.ask(body=body(1))
    assert (status, told) == (500, {"error": "the server failed, and its log says why (RuntimeError)"})


@pytest.mark.parametrize("decision", ["argmax", "tanh_mean", "clipped_mean"])
def test_an_observation_too_far_away_to_act_on_is_told(tmp_path, decision):
    _, artifact = exported(tmp_path, decision)
    far = [ROW, [3e38 if n % 2 else -3e38 for n in range(LAYOUT.size)]]
    with served(artifact) as client:
        status, told = client.ask(body={"instances": far})
    assert status == 400
    assert told["error"].startswith("there is no action for observation 1")


def test_what_is_on_its_way_when_told_to_end_is_answered(tmp_path, monkeypatch):
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
            said = everything(connection)
    assert b" 200 " in said.split(b"\r\n")[0]
    told = json.loads(said.rpartition(b"\r\n\r\n")[2])
    assert [one["action"] for one in told["predictions"]] == trained(seen(2)).tolist()
