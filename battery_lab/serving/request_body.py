"""What comes in with a request: a body within bounds, and the observations in it."""

from __future__ import annotations

import asyncio
import json
from contextlib import suppress
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request

from battery_lab.serving.artifact import no_number

# The most that the service takes in one request; a thousand observations of some hundred numbers are less.
LARGEST_BODY_BYTES = 6 << 20
MOST_INSTANCES = 1000
SLOWEST_BODY_S = 10.0
EXAMPLE = '{"instances": [[...], ...]}'
LARGEST_NUMBER = float(np.finfo(np.float32).max)


def observations(body: bytes, size: int) -> NDArray[np.float32]:
    """Return the (N, size) observations that a request holds.

    Raises:
        HTTPException: 400, or 413 where it holds too many.
    """
    try:
        told = json.loads(body, parse_constant=no_number)
    except (ValueError, RecursionError) as error:
        raise HTTPException(400, f"the body must be JSON, {EXAMPLE}: {error}") from None
    instances = told.get("instances") if isinstance(told, dict) else None
    if not isinstance(instances, list) or not instances:
        raise HTTPException(400, f"the body must hold instances, a list of one or more observations: {EXAMPLE}")
    if len(instances) > MOST_INSTANCES:
        raise HTTPException(413, f"instances must be at most {MOST_INSTANCES} a request, and are {len(instances)}")
    observation = np.empty((len(instances), size), np.float32)
    for place, instance in enumerate(instances):
        if not isinstance(instance, list) or len(instance) != size:
            found = len(instance) if isinstance(instance, list) else "none"
            raise HTTPException(400, f"instances[{place}] must be a list of {size} numbers, and has {found}")
        # Of JSON's numbers, and not of its true and false, which are numbers to Python.
        if not set(map(type, instance)) <= {int, float}:
            _wrong(place, instance, "must be a number", [type(value) in (int, float) for value in instance])
        _fill(observation[place], place, instance)
    return observation


def _fill(row: NDArray[np.float32], place: int, instance: list[float]) -> None:
    try:
        with np.errstate(over="ignore"):
            row[:] = instance
    except OverflowError:
        row[:] = [value if abs(value) <= LARGEST_NUMBER else np.inf for value in instance]
    if not np.isfinite(row).all():
        _wrong(place, instance, "must be a number that 32 bits can hold", np.isfinite(row).tolist())


def _wrong(place: int, instance: list[Any], rule: str, good: list[bool]) -> NoReturn:
    first = good.index(False)
    raise HTTPException(400, f"instances[{place}][{first}] {rule}, and is {json.dumps(instance[first])[:40]}")


async def body_of(request: Request) -> bytes:
    """Return the body of a request.

    Raises:
        HTTPException: 415, 413 or 408, or 400 where it does not come whole.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json":
        raise HTTPException(415, f"the content type must be application/json, and is {kind or 'not given'}")
    # Refused before it is read; what comes of it all the same is dropped, so that the answer is heard.
    with suppress(ValueError):
        _check_length(int(request.headers.get("content-length", "0")))
    body = bytearray()
    try:
        async with asyncio.timeout(SLOWEST_BODY_S):
            async for chunk in request.stream():
                body += chunk
                _check_length(len(body))
    except TimeoutError:
        told = f"the body must come within {SLOWEST_BODY_S:g} s"
        raise HTTPException(408, told, {"connection": "close"}) from None
    except ClientDisconnect:
        raise HTTPException(400, "the body must come whole") from None
    return bytes(body)


def _check_length(size: int) -> None:
    if size > LARGEST_BODY_BYTES:
        raise HTTPException(413, f"the body must have at most {LARGEST_BODY_BYTES >> 20} MiB")
