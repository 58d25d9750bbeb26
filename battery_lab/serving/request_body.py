"""Request bodies: read with limits on size and time, and parsed into observations."""

from __future__ import annotations

import asyncio
import json
from contextlib import suppress
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request

from battery_lab.serving.artifact import reject_constant

# SageMaker accepts at most 6 MiB per request. A thousand observations of a few hundred numbers are smaller.
MAX_BODY_BYTES = 6 << 20
MAX_INSTANCES = 1000
BODY_TIMEOUT_S = 10.0
EXAMPLE = '{"instances": [[...], ...]}'
LARGEST_NUMBER = float(np.finfo(np.float32).max)


def observations(body: bytes, size: int) -> NDArray[np.float32]:
    """Return the (N, size) observations in a request.

    Raises:
        HTTPException: 400 for an invalid body, 413 for too many observations.
    """
    try:
        content = json.loads(body, parse_constant=reject_constant)
    except (ValueError, RecursionError) as error:
        raise HTTPException(400, f"the body must be JSON, {EXAMPLE}: {error}") from None
    instances = content.get("instances") if isinstance(content, dict) else None
    if not isinstance(instances, list) or not instances:
        raise HTTPException(400, f"the body must hold instances, a list of one or more observations: {EXAMPLE}")
    if len(instances) > MAX_INSTANCES:
        raise HTTPException(413, f"a request must have at most {MAX_INSTANCES} instances, got {len(instances)}")
    observation = np.empty((len(instances), size), np.float32)
    for place, instance in enumerate(instances):
        if not isinstance(instance, list) or len(instance) != size:
            got = f"{len(instance)} items" if isinstance(instance, list) else type(instance).__name__
            raise HTTPException(400, f"instances[{place}] must be a list of {size} numbers, got {got}")
        # In Python, true and false count as numbers; in JSON, they do not.
        if not set(map(type, instance)) <= {int, float}:
            _reject(place, instance, "must be a number", [type(value) in (int, float) for value in instance])
        _fill(observation[place], place, instance)
    return observation


def _fill(row: NDArray[np.float32], place: int, instance: list[float]) -> None:
    try:
        with np.errstate(over="ignore"):
            row[:] = instance
    except OverflowError:
        row[:] = [value if abs(value) <= LARGEST_NUMBER else np.inf for value in instance]
    if not np.isfinite(row).all():
        _reject(place, instance, "must fit into a 32-bit float", np.isfinite(row).tolist())


def _reject(place: int, instance: list[Any], rule: str, valid: list[bool]) -> NoReturn:
    first = valid.index(False)
    raise HTTPException(400, f"instances[{place}][{first}] {rule}, got {json.dumps(instance[first])[:40]}")


async def body_of(request: Request) -> bytes:
    """Return the body of a request.

    Raises:
        HTTPException: 415, 413 or 408, or 400 for an incomplete body.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json":
        raise HTTPException(415, f"the content type must be application/json, got {kind or 'none'}")
    # Reject a body that is too large before reading it. The server drops what the client still sends.
    with suppress(ValueError):
        _check_length(int(request.headers.get("content-length", "0")))
    body = bytearray()
    try:
        async with asyncio.timeout(BODY_TIMEOUT_S):
            async for chunk in request.stream():
                body += chunk
                _check_length(len(body))
    except TimeoutError:
        message = f"the body must arrive within {BODY_TIMEOUT_S:g} s"
        raise HTTPException(408, message, {"connection": "close"}) from None
    except ClientDisconnect:
        raise HTTPException(400, "the body must be complete") from None
    return bytes(body)


def _check_length(size: int) -> None:
    if size > MAX_BODY_BYTES:
        raise HTTPException(413, f"the body must be at most {MAX_BODY_BYTES >> 20} MiB")
