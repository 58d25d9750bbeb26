"""Partial requests: raw connections to a server that send a request in parts."""

from __future__ import annotations

import socket


def raw(client, *parts):
    """Send bytes and return the status line of the response."""
    with socket.create_connection(("127.0.0.1", client.port), timeout=20) as connection:
        for part in parts:
            connection.sendall(part)
        return connection.recv(4096).split(b"\r\n")[0]


HEAD = b"POST /invocations HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n"


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
