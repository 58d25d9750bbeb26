"""HTTP server of an exported policy, with the endpoints that SageMaker requires (/ping, /invocations) and /model."""

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

# Larger bodies are parsed in a thread, because SageMaker requires an answer to /ping within two seconds. For smaller
# ones a thread would take longer.
LARGE_BODY_BYTES = 1 << 16
# Further requests to /invocations get status 503.
MAX_CONCURRENT = 128
# Time to finish open requests at the end; longer than BODY_TIMEOUT_S.
GRACE_S = 12
# Longer than load balancers keep connections, so that the server never closes one during a request.
KEEP_ALIVE_S = 75


class Service:
    """The endpoints of one policy."""

    def __init__(self, artifact: Artifact) -> None:
        """Create the endpoints of a policy."""
        self._artifact = artifact
        self._busy = 0
        self._thread = ThreadPoolExecutor(1, "large")

    async def ping(self, _: Request) -> Response:
        """Return 200: the server is ready."""
        return Response()

    async def model(self, _: Request) -> Response:
        """Return the description of the policy."""
        return JSONResponse(asdict(self._artifact.about))

    async def invocations(self, request: Request) -> Response:
        """Return the action for each observation in the request."""
        if self._busy >= MAX_CONCURRENT:
            raise HTTPException(
                503, f"{MAX_CONCURRENT} requests are being processed: try again later", {"retry-after": "1"}
            )
        self._busy += 1
        try:
            body = await body_of(request)
            if len(body) < LARGE_BODY_BYTES:
                return self._respond(body)
            return await asyncio.get_running_loop().run_in_executor(self._thread, self._respond, body)
        finally:
            self._busy -= 1

    def _respond(self, body: bytes) -> Response:
        observation = observations(body, self._artifact.size)
        try:
            return JSONResponse({"predictions": self._artifact.predictions(observation)})
        except ValueError as error:
            raise HTTPException(400, f"{error}: its values are far outside the training data") from None


class HostCheck:
    """Middleware that accepts only requests to the host names of this machine.

    It protects a local server against DNS rebinding: a web page whose host name resolves to this machine.
    """

    def __init__(self, app: ASGIApp, names: Sequence[str]) -> None:
        """Wrap an application."""
        self._app, self._names = app, names

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or respond with status 400."""
        if scope["type"] == "http" and _host(scope) not in self._names:
            response = JSONResponse({"error": f"the host must be one of {', '.join(self._names)}"}, 400)
            await response(scope, receive, send)
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
        names: accepted host names; empty: all.
    """
    service = Service(artifact)
    routes = [
        Route("/ping", service.ping),
        Route("/model", service.model),
        Route("/invocations", service.invocations, methods=["POST"]),
    ]
    middleware = [Middleware(HostCheck, names=names)] if names else []
    return Starlette(
        routes=routes, middleware=middleware, exception_handlers={HTTPException: _http_error, Exception: _server_error}
    )


async def _http_error(_: Request, error: Exception) -> Response:
    if not isinstance(error, HTTPException):
        raise error
    return JSONResponse({"error": error.detail}, status_code=error.status_code, headers=error.headers)


async def _server_error(_: Request, error: Exception) -> Response:
    # uvicorn logs the traceback.
    return JSONResponse({"error": f"internal error ({type(error).__name__}): see the log of the server"}, 500)


def listen(host: str, port: int) -> socket.socket:
    """Return a listening socket; port 0 selects a free port.

    Raises:
        ConfigError: host is not an IP address, or the port is taken or not allowed.
    """
    host = "127.0.0.1" if host == "localhost" else host
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        raise ConfigError(f"host must be an IP address such as 127.0.0.1, got {host!r}") from None
    require(0 <= port <= 65535, "port", "must be from 0 (any free port) to 65535", port)
    family = socket.AF_INET6 if address.version == 6 else socket.AF_INET
    # asyncio sets TCP_NODELAY only if the socket names its protocol; without it, responses wait 40 ms.
    listening = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((host, port))
        listening.listen()
    except OSError as error:
        listening.close()
        raise ConfigError(f"port={port} of {host} is not available: {error.strerror}; choose another port=") from None
    return listening


def server(artifact: Artifact, listening: socket.socket) -> uvicorn.Server:
    """Return the server of a policy. On a loopback address it accepts only local host names."""
    host = str(listening.getsockname()[0])
    config = uvicorn.Config(
        app(artifact, (host, "localhost") if ipaddress.ip_address(host).is_loopback else ()),
        # Fixed, so that installed packages do not change the behaviour.
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


def serve(artifact: Artifact, listening: socket.socket, message: str) -> None:
    """Serve a policy until SIGTERM or SIGINT; open requests are finished first.

    Args:
        artifact: the policy.
        listening: the socket from ``listen``.
        message: printed when the server is about to accept requests.
    """
    # uvicorn raises the signal again after its shutdown.
    with suppress(KeyboardInterrupt):
        print(message, flush=True)
        server(artifact, listening).run(sockets=[listening])
