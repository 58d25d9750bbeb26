"""An exported policy behind HTTP, by SageMaker's contract: GET /ping, POST /invocations; GET /model says what it is."""

from __future__ import annotations

import asyncio
import ipaddress
import json
import socket
from contextlib import suppress
from dataclasses import asdict
from typing import NoReturn

import numpy as np
import uvicorn
from numpy.typing import NDArray
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from battery_lab.errors import ConfigError, require
from battery_lab.serving.artifact import Artifact

# The most that the service takes in one request; a thousand observations of some hundred numbers are less.
LARGEST_BODY_BYTES = 6 << 20
MOST_INSTANCES = 1000
SLOWEST_BODY_S = 10.0
# Of requests at once; more are told to come again.
MOST_CONNECTIONS = 256
# After it was asked to end, for answers that are on their way.
GRACE_S = 5
EXAMPLE = '{"instances": [[...], ...]}'


def app(artifact: Artifact) -> Starlette:
    """Return the application that serves a policy."""

    async def ping(_: Request) -> Response:
        return Response()

    async def model(_: Request) -> Response:
        return JSONResponse(asdict(artifact.about))

    async def invocations(request: Request) -> Response:
        observation = observations(await _body(request), artifact.size)
        return JSONResponse({"predictions": artifact.answers(observation)})

    routes = [
        Route("/ping", ping),
        Route("/model", model),
        Route("/invocations", invocations, methods=["POST"]),
    ]
    return Starlette(routes=routes, exception_handlers={HTTPException: _told})


def observations(body: bytes, size: int) -> NDArray[np.float32]:
    """Return the (N, size) observations that a request holds.

    Raises:
        HTTPException: 400, or 413 where it holds too many.
    """
    try:
        told = json.loads(body, parse_constant=_refuse)
    except (ValueError, RecursionError) as error:
        raise HTTPException(400, f"the body must be JSON, {EXAMPLE}: {error}") from None
    instances = told.get("instances") if isinstance(told, dict) else None
    if not isinstance(instances, list) or not instances:
        raise HTTPException(400, f"the body must hold instances, a list of one or more observations: {EXAMPLE}")
    if len(instances) > MOST_INSTANCES:
        raise HTTPException(413, f"instances must be at most {MOST_INSTANCES} a request, and are {len(instances)}")
    for place, instance in enumerate(instances):
        if not isinstance(instance, list) or len(instance) != size:
            found = len(instance) if isinstance(instance, list) else "none"
            raise HTTPException(400, f"instances[{place}] must be a list of {size} numbers, and has {found}")
    try:
        values = np.asarray(instances)
    except ValueError:  # Lists among the numbers.
        values = np.empty((0,), object)
    if values.dtype.kind not in "iuf" or values.ndim != 2:
        raise HTTPException(400, "instances must hold numbers and nothing else")
    with np.errstate(over="ignore"):
        observation = values.astype(np.float32)
    if not np.isfinite(observation).all():
        raise HTTPException(400, "instances must hold numbers that 32 bits can hold, none of them infinite")
    return observation


def _refuse(name: str) -> NoReturn:
    raise ValueError(f"{name} is no number of JSON")


async def _body(request: Request) -> bytes:
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json":
        raise HTTPException(415, f"the content type must be application/json, and is {kind or 'not given'}")
    # What is announced is refused before it is sent.
    with suppress(ValueError):
        _check_length(int(request.headers.get("content-length", "0")))
    body = bytearray()
    try:
        async with asyncio.timeout(SLOWEST_BODY_S):
            async for chunk in request.stream():
                body += chunk
                _check_length(len(body))
    except TimeoutError:
        raise HTTPException(408, f"the body must come within {SLOWEST_BODY_S:g} s") from None
    except ClientDisconnect:
        raise HTTPException(400, "the body must come whole") from None
    return bytes(body)


def _check_length(size: int) -> None:
    if size > LARGEST_BODY_BYTES:
        raise HTTPException(413, f"the body must have at most {LARGEST_BODY_BYTES >> 20} MiB")


async def _told(_: Request, error: Exception) -> Response:
    if not isinstance(error, HTTPException):
        raise error
    return JSONResponse({"error": error.detail}, status_code=error.status_code, headers=error.headers)


def listen(host: str, port: int) -> socket.socket:
    """Return a socket that listens; port 0 takes any that is free.

    Raises:
        ConfigError: host is no address, or the port is taken or not allowed.
    """
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


def serve(artifact: Artifact, listening: socket.socket, said: str) -> None:
    """Serve a policy until SIGTERM or SIGINT; answers that are on their way are finished first.

    Args:
        artifact: the policy.
        listening: from ``listen``.
        said: printed when whoever asks is answered.
    """
    config = uvicorn.Config(
        app(artifact),
        access_log=False,
        log_level="warning",
        server_header=False,
        lifespan="off",
        limit_concurrency=MOST_CONNECTIONS,
        timeout_graceful_shutdown=GRACE_S,
    )
    # It raises anew, once it has ended, the signal that it was asked to end with.
    with suppress(KeyboardInterrupt):
        print(said, flush=True)
        uvicorn.Server(config).run(sockets=[listening])
