"""What the emulator answers: JSON, and errors in the form that each protocol's clients read."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from xml.sax.saxutils import escape


class AwsError(Exception):
    """A request is refused, with the code and the words of the service."""

    def __init__(self, code: str, message: str, status: int = 400) -> None:
        """Keep what the client is to read.

        Args:
            code: the error's name, as ``ValidationException``.
            message: for a person.
            status: of HTTP.
        """
        super().__init__(message)
        self.code, self.message, self.status = code, message, status


def invalid(message: str) -> AwsError:
    """Return the refusal of a wrong value."""
    return AwsError("ValidationException", message)


def not_modelled(what: str) -> AwsError:
    """Return the refusal of what the service would take and the emulator cannot do."""
    return invalid(f"The emulator does not model {what}.")


@dataclass(frozen=True)
class Answer:
    """A status of HTTP, headers and a body."""

    status: int
    body: bytes
    headers: dict[str, str] = field(default_factory=dict)


def json_answer(content: Any, status: int = 200, kind: str = "application/x-amz-json-1.1") -> Answer:
    """Write content as JSON, times as seconds since 1970."""
    return Answer(status, to_json(content), {"Content-Type": kind})


def error_answer(error: AwsError, service: str, *, speaks_json: bool) -> Answer:
    """Write an error.

    Args:
        error: the error.
        service: to which the request went; S3 has a form of its own.
        speaks_json: whether the client reads JSON; otherwise XML.
    """
    if service == "s3":
        body = f"<Error><Code>{error.code}</Code><Message>{escape(error.message)}</Message></Error>"
    elif speaks_json:
        content = {"__type": error.code, "message": error.message}
        answer = json_answer(content, error.status)
        return Answer(answer.status, answer.body, answer.headers | {"x-amzn-errortype": error.code})
    else:
        told = f"<Code>{error.code}</Code><Message>{escape(error.message)}</Message>"
        body = f"<ErrorResponse><Error><Type>Sender</Type>{told}</Error></ErrorResponse>"
    return Answer(error.status, body.encode(), {"Content-Type": "application/xml"})


def to_json(content: Any) -> bytes:
    """Write content as JSON, times as seconds since 1970."""
    return json.dumps(content, default=_time).encode()


def _time(value: Any) -> float:
    if isinstance(value, datetime):
        return value.timestamp()
    raise TypeError(f"{value!r} cannot be written as JSON")
