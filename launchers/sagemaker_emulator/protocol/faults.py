"""What goes wrong on request, for tests of those who must live with it, and how often operations may be called."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sagemaker_emulator.protocol.responses import AwsError

KINDS = {
    "throttle": "refused, as called too often",
    "error_before": "500 without any effect",
    "error_after": "it takes effect, and 500 is answered",
    "slow": "answered after `seconds`",
}
THROTTLED = AwsError("ThrottlingException", "Rate exceeded")
_SLOW_DOWN = AwsError("SlowDown", "Please reduce your request rate.", 503)
_BURST_S = 1.0


@dataclass
class Fault:
    """Something that goes wrong with an operation.

    Attributes:
        operation: as botocore names it: ``CreateTrainingJob``, ``PutObject``.
        kind: one of ``KINDS``.
        times: how many requests it meets.
        skip: requests that it lets pass before.
        seconds: of a slow answer.
    """

    operation: str
    kind: str
    times: int = 1
    skip: int = 0
    seconds: float = 1.0

    def __post_init__(self) -> None:
        """Check the values.

        Raises:
            ValueError: one is wrong.
        """
        if self.kind not in KINDS:
            raise ValueError(f"kind must be one of {', '.join(KINDS)}, not {self.kind!r}")
        if not self.operation or self.times < 1 or self.skip < 0 or self.seconds < 0:
            raise ValueError(f"an operation, times from 1, skip and seconds from 0, not {self!r}")


class Faults:
    """Those still to come, in the order in which they were asked for."""

    def __init__(self) -> None:
        """Begin with none."""
        self._waiting: list[Fault] = []
        self._lock = threading.Lock()

    def add(self, asked: Mapping[str, Any]) -> None:
        """Add one; raises ValueError or TypeError where it isn't one."""
        fault = Fault(**asked)
        with self._lock:
            self._waiting.append(fault)

    def clear(self) -> None:
        """Forget all."""
        with self._lock:
            self._waiting.clear()

    def take(self, operation: str) -> Fault | None:
        """Return what meets this request of an operation."""
        with self._lock:
            for fault in self._waiting:
                if fault.operation != operation:
                    continue
                if fault.skip:
                    fault.skip -= 1
                    return None
                fault.times -= 1
                if not fault.times:
                    self._waiting.remove(fault)
                return fault
        return None


def refusal(fault: Fault, service: str) -> AwsError:
    """Return the error that a fault answers with, in the words of a service."""
    if fault.kind == "throttle":
        return _SLOW_DOWN if service == "s3" else THROTTLED
    if service == "s3":
        return AwsError("InternalError", "We encountered an internal error. Please try again.", 500)
    return AwsError("InternalFailure", "The request failed because of an unknown error.", 500)


class Rates:
    """How often a second operations may be called: a bucket of tokens each, which holds those of one second."""

    def __init__(self, per_second: Mapping[str, float]) -> None:
        """Begin with full buckets.

        Args:
            per_second: of operations by their names; others have no limit.
        """
        self._per_second = dict(per_second)
        self._tokens = {name: self._room(name) for name in per_second}
        self._seen = dict.fromkeys(per_second, time.monotonic())
        self._lock = threading.Lock()

    def count(self, operation: str) -> None:
        """Count a request; raises AwsError where it is one too many."""
        if operation not in self._per_second:
            return
        with self._lock:
            now = time.monotonic()
            gained = (now - self._seen[operation]) * self._per_second[operation]
            tokens = min(self._room(operation), self._tokens[operation] + gained)
            self._seen[operation] = now
            self._tokens[operation] = tokens - (tokens >= 1)
            if tokens < 1:
                raise THROTTLED

    def _room(self, operation: str) -> float:
        return max(1.0, self._per_second[operation] * _BURST_S)
