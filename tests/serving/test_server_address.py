"""Address of the server: hosts, ports and sockets."""

from __future__ import annotations

import socket
from types import SimpleNamespace

import pytest

from battery_lab.common.errors import ConfigError
from battery_lab.serving import server


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


@pytest.mark.parametrize(
    ("host", "names"),
    [("127.0.0.1", 2), ("127.0.0.2", 2), ("::1", 2), ("0.0.0.0", 0), ("192.0.2.7", 0)],
)
def test_host_names_are_checked_only_on_loopback_addresses(monkeypatch, host, names):
    request_body = []
    monkeypatch.setattr(server, "app", lambda artifact, names: request_body.append(names))
    server.server(None, SimpleNamespace(getsockname=lambda: (host, 80)))
    assert request_body == [(host, "localhost")] if names else [()]
