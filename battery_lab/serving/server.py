"""An exported policy behind HTTP, by SageMaker's contract: GET /ping, POST /invocations; GET /model says what it is."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import asdict
from urllib.parse import urlsplit

import uvicorn
from starlette.applications import Starlette
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from battery_lab.common.errors import ConfigError, require
from battery_lab.serving.artifact import Artifact
from battery_lab.serving.request_body import body_of, observations

# Read in a thread, as the service wants its /ping answered within two seconds whatever else there is to do; a small
# body is read sooner than a thread is begun.
LARGE_BODY_BYTES = 1 << 16
# Of /invocations at once; more are told to come again.
MOST_AT_ONCE = 128
# After it was asked to end, for answers that are on their way, whose bodies take SLOWEST_BODY_S at most.
GRACE_S = 12
# Longer than a load balancer keeps a connection, so that none is closed under a request.
KEEP_ALIVE_S = 75


class Service:
    """What answers for one policy."""

    def __init__(self, artifact: Artifact) -> None:
        """Take the policy."""
        self._artifact = artifact
        self._busy = 0
        self._thread = ThreadPoolExecutor(1, "large")

    async def ping(self, _: Request) -> Response:
        """Say that it is there."""
        return Response()

    async def model(self, _: Request) -> Response:
        """Say what is served."""
        return JSONResponse(asdict(self._artifact.about))

    async def invocations(self, request: Request) -> Response:
        """Say what the policy does for each observation."""
        if self._busy >= MOST_AT_ONCE:
            raise HTTPException(503, f"{MOST_AT_ONCE} requests are on their way: come again", {"retry-after": "1"})
        self._busy += 1
        try:
            body = await body_of(request)
            if len(body) < LARGE_BODY_BYTES:
                return self._answer(body)
            return await asyncio.get_running_loop().run_in_executor(self._thread, self._answer, body)
        finally:
            self._busy -= 1

    def _answer(self, body: bytes) -> Response:
        observation = observations(body, self._artifact.size)
        try:
            return JSONResponse({"predictions": self._artifact.answers(observation)})
        except ValueError as error:
            raise HTTPException(400, f"{error}: its numbers are larger than any in training") from None


class Named:
    """Lets in requests under this machine's own names; a page of another site whose name leads here asks under that."""

    def __init__(self, app: ASGIApp, names: Sequence[str]) -> None:
        """Stand before an application."""
        self._app, self._names = app, names

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or refuse it."""
        if scope["type"] == "http" and _host(scope) not in self._names:
            refusal = JSONResponse({"error": f"the host must be one of {', '.join(self._names)}"}, 400)
            await refusal(scope, receive, send)
        else:
            await self._app(scope, receive, send)


def _host(scope: Scope) -> str | None:
    try:
        return urlsplit(f"//{Headers(scope=scope).get('host', '')}").hostname
    except ValueError:
        return None


def app(artifact: Artifact, names: Sequence[str] = ()) -> Starlette:
    """Return the application that serves a policy.

    Args:
        artifact: the policy.
        names: of the hosts that it answers to; none: to any.
    """
    service = Service(artifact)
    routes = [
        Route("/ping", service.ping),
        Route("/model", service.model),
        Route("/invocations", service.invocations, methods=["POST"]),
    ]
    guards = [Middleware(Named, names=names)] if names else []
    return Starlette(routes=routes, middleware=guards, exception_handlers={HTTPException: _told, Exception: _failed})


async def _told(_: Request, error: Exception) -> Response:
    if not isinstance(error, HTTPException):
        raise error
    return JSONResponse({"error": error.detail}, status_code=error.status_code, headers=error.headers)


async def _failed(_: Request, error: Exception) -> Response:
    # It goes on to the log, with its traceback.
    return JSONResponse({"error": f"the server failed, and its log says why ({type(error).__name__})"}, 500)


def listen(host: str, port: int) -> socket.socket:
    """Return a socket that listens; port 0 takes any that is free.

    Raises:
        ConfigError: host is no address, or the port is taken or not allowed.
    """
    host = "127.0.0.1" if host == "localhost" else host
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        raise ConfigError(f"host must be an address such as 127.0.0.1, got {host!r}") from None
    require(0 <= port <= 65535, "port", "must be 0 (any that is free) to 65535", port)
    family = socket.AF_INET6 if address.version == 6 else socket.AF_INET
    # asyncio sends at once what is written, instead of 40 ms later, on sockets that say that they are of TCP.
    listening = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((host, port))
        listening.listen()
    except OSError as error:
        listening.close()
        raise ConfigError(f"port={port} of {host} cannot be had: {error.strerror}; choose another port=") from None
    return listening


def server(artifact: Artifact, listening: socket.socket) -> uvicorn.Server:
    """Return the server of a policy; where it listens to this machine alone, it answers to names of its own alone."""
    host = str(listening.getsockname()[0])
    config = uvicorn.Config(
        app(artifact, (host, "localhost") if ipaddress.ip_address(host).is_loopback else ()),
        # One way, whatever else is installed.
        http="h11",
        loop="asyncio",
        ws="none",
        lifespan="off",
        access_log=False,
        log_level="warning",
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=KEEP_ALIVE_S,
        timeout_graceful_shutdown=GRACE_S,
    )
    return uvicorn.Server(config)


def serve(artifact: Artifact, listening: socket.socket, said: str) -> None:
    """Serve a policy until SIGTERM or SIGINT; answers that are on their way are finished first.

    Args:
        artifact: the policy.
        listening: from ``listen``.
        said: printed when whoever asks is answered.
    """
    # It raises anew, once it has ended, the signal that it was asked to end with.
    with suppress(KeyboardInterrupt):
        print(said, flush=True)
        server(artifact, listening).run(sockets=[listening])
