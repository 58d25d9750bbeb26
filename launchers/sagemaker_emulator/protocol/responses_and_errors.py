"""Responses and errors of the service: JSON, and errors in the format of each protocol."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from xml.sax.saxutils import escape


class AwsError(Exception):
    """A refused request, with the service's error code and message."""

    def __init__(self, code: str, message: str, status: int = 400) -> None:
        """Store the error.

        Args:
            code: such as ``ValidationException``.
            message: the message for the user.
            status: the HTTP status.
        """
        super().__init__(message)
        self.code, self.message, self.status = code, message, status


def invalid(message: str) -> AwsError:
    """Return the error for an invalid value."""
    return AwsError("ValidationException", message)


def not_modelled(what: str) -> AwsError:
    """Return the error for what the service supports and the emulator does not."""
    return invalid(f"The emulator does not model {what}.")


@dataclass(frozen=True)
class Response:
    """An HTTP response."""

    status: int
    body: bytes
    headers: dict[str, str] = field(default_factory=dict)


def json_response(content: Any, status: int = 200, kind: str = "application/x-amz-json-1.1") -> Response:
    """Return a response with JSON; times are seconds since 1970."""
    return Response(status, to_json(content), {"Content-Type": kind})


def error_response(error: AwsError, service: str, *, speaks_json: bool) -> Response:
    """Return a response with an error.

    Args:
        error: the error.
        service: that the request went to; S3 has its own format.
        speaks_json: whether the client reads JSON instead of XML.
    """
    if service == "s3":
        body = f"<Error><Code>{error.code}</Code><Message>{escape(error.message)}</Message></Error>"
    elif speaks_json:
        content = {"__type": error.code, "message": error.message}
        response = json_response(content, error.status)
        return Response(response.status, response.body, response.headers | {"x-amzn-errortype": error.code})
    else:
        details = f"<Code>{error.code}</Code><Message>{escape(error.message)}</Message>"
        body = f"<ErrorResponse><Error><Type>Sender</Type>{details}</Error></ErrorResponse>"
    return Response(error.status, body.encode(), {"Content-Type": "application/xml"})


def to_json(content: Any) -> bytes:
    """Return content as JSON; times are seconds since 1970."""
    return json.dumps(content, default=_time).encode()


def _time(value: Any) -> float:
    if isinstance(value, datetime):
        return value.timestamp()
    raise TypeError(f"{value!r} cannot be written as JSON")
