"""Faults that tests ask for, and limits of calls per second."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sagemaker_emulator.protocol.responses_and_errors import AwsError

KINDS = {
    "throttle": "the request is refused by a rate limit",
    "error_before": "status 500, and the request has no effect",
    "error_after": "status 500, although the request has its effect",
    "slow": "the response comes after `seconds`",
}
THROTTLED = AwsError("ThrottlingException", "Rate exceeded")
_SLOW_DOWN = AwsError("SlowDown", "Please reduce your request rate.", 503)
_BURST_S = 1.0


@dataclass
class Fault:
    """A fault of an operation.

    Attributes:
        operation: an operation, by botocore's name, such as ``CreateTrainingJob`` or ``PutObject``.
        kind: one of ``KINDS``.
        times: number of requests that fail.
        skip: number of requests before them that do not.
        seconds: delay of a slow response.
    """

    operation: str
    kind: str
    times: int = 1
    skip: int = 0
    seconds: float = 1.0

    def __post_init__(self) -> None:
        """Check the values.

        Raises:
            ValueError: a value is invalid.
        """
        if self.kind not in KINDS:
            raise ValueError(f"kind must be one of {', '.join(KINDS)}, not {self.kind!r}")
        if not self.operation or self.times < 1 or self.skip < 0 or self.seconds < 0:
            raise ValueError(
                f"a fault needs an operation, times of 1 or more, skip and seconds of 0 or more, not {self!r}"
            )


class Faults:
    """Faults that have not happened yet, in the order in which they were added."""

    def __init__(self) -> None:
        """Start without faults."""
        self._pending: list[Fault] = []
        self._lock = threading.Lock()

    def add(self, values: Mapping[str, Any]) -> None:
        """Add a fault; raises ValueError or TypeError if the values are not those of a fault."""
        fault = Fault(**values)
        with self._lock:
            self._pending.append(fault)

    def clear(self) -> None:
        """Remove all faults."""
        with self._lock:
            self._pending.clear()

    def take(self, operation: str) -> Fault | None:
        """Return the fault for a request of an operation; None if there is none."""
        with self._lock:
            for fault in self._pending:
                if fault.operation != operation:
                    continue
                if fault.skip:
                    fault.skip -= 1
                    return None
                fault.times -= 1
                if not fault.times:
                    self._pending.remove(fault)
                return fault
        return None


def refusal(fault: Fault, service: str) -> AwsError:
    """Return the error of a fault, in the words of a service."""
    if fault.kind == "throttle":
        return _SLOW_DOWN if service == "s3" else THROTTLED
    if service == "s3":
        return AwsError("InternalError", "We encountered an internal error. Please try again.", 500)
    return AwsError("InternalFailure", "The request failed because of an unknown error.", 500)


class Rates:
    """Limits of calls per second: a token bucket per operation, which holds the tokens of one second."""

    def __init__(self, per_second: Mapping[str, float]) -> None:
        """Start with full buckets.

        Args:
            per_second: limits by operation; others have no limit.
        """
        self._per_second = dict(per_second)
        self._tokens = {name: self._capacity(name) for name in per_second}
        self._counted_at = dict.fromkeys(per_second, time.monotonic())
        self._lock = threading.Lock()

    def count(self, operation: str) -> None:
        """Count a request; raises AwsError if it exceeds the limit."""
        if operation not in self._per_second:
            return
        with self._lock:
            now = time.monotonic()
            gained = (now - self._counted_at[operation]) * self._per_second[operation]
            tokens = min(self._capacity(operation), self._tokens[operation] + gained)
            self._counted_at[operation] = now
            self._tokens[operation] = tokens - (tokens >= 1)
            if tokens < 1:
                raise THROTTLED

    def _capacity(self, operation: str) -> float:
        return max(1.0, self._per_second[operation] * _BURST_S)
