"""Limits on requests: their size, duration, number and host name."""

from __future__ import annotations

from battery_lab.serving import request_body, server
from tests.launchers.stub_hydra_app import until
from tests.serving.exported_policies import body
from tests.serving.partial_requests import HEAD, connect, raw, read_all


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


def test_foreign_host_name_is_refused(both):
    # The host name of a web page could resolve to this machine.
    _, client = both
    for name in (b"evil.example", b"127.0.0.1.evil.example", b"[", b""):
        assert b" 400 " in raw(client, b"GET /model HTTP/1.1\r\nhost: " + name + b"\r\n\r\n"), name
    assert client.ask("/model", host="evil.example")[1] == {"error": "the host must be one of 127.0.0.1, localhost"}
    for own in (b"127.0.0.1", b"localhost:%d" % client.port):
        assert b" 200 " in raw(client, b"GET /model HTTP/1.1\r\nhost: " + own + b"\r\n\r\n")


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
