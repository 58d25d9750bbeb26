"""A served policy: its server in a thread of this process, and a client of it."""

from __future__ import annotations

import http.client
import json
import threading
from contextlib import contextmanager

from battery_lab.serving.server import listen, server


class Client:
    """A client of a server on this machine."""

    def __init__(self, port, serving=None):  # noqa: D107
        self.port, self.serving = port, serving

    def ask(self, path="/invocations", body=None, method=None, **headers):
        """Return the status and the parsed body of the response. A body other than bytes is sent as JSON."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        if body is not None:
            headers = {"content-type": "application/json"} | {k.replace("_", "-"): v for k, v in headers.items()}
            body = body if isinstance(body, bytes) else json.dumps(body).encode()
        try:
            connection.request(method or ("GET" if body is None else "POST"), path, body, headers)
            answer = connection.getresponse()
            content = answer.read()
        finally:
            connection.close()
        return answer.status, json.loads(content) if content else None


@contextmanager
def served(artifact):
    """Serve in a thread of this process."""
    listening = listen("127.0.0.1", 0)
    serving = server(artifact, listening)
    thread = threading.Thread(target=serving.run, kwargs={"sockets": [listening]}, daemon=True)
    thread.start()
    try:
        yield Client(listening.getsockname()[1], serving)
    finally:
        serving.should_exit = True
        thread.join(20)
        listening.close()
