"""The paths below /emulator/, by which a test has things go wrong and sees what was asked for."""

from __future__ import annotations

import json
import threading
from collections import deque
from collections.abc import Callable
from typing import Any

from sagemaker_emulator.protocol.faults import Faults
from sagemaker_emulator.protocol.request_parser import Request
from sagemaker_emulator.protocol.responses import Answer, json_answer, to_json
from sagemaker_emulator.training.machine import Capacity
from sagemaker_emulator.training.operations import Training

PREFIX = "/emulator/"
_KEPT = 10_000  # requests
_LONGEST = 100_000  # characters of a request's parameters


class Requests:
    """The last requests: operation, parameters and the status that was answered."""

    def __init__(self) -> None:
        """Begin with none."""
        self._kept: deque[dict[str, Any]] = deque(maxlen=_KEPT)
        self._lock = threading.Lock()

    def add(self, request: Request, status: int) -> None:
        """Add one that was answered; parameters that are very long are left out."""
        parameters: Any = request.parameters
        if len(to_json(parameters)) > _LONGEST:
            parameters = {"TooLong": True}
        with self._lock:
            self._kept.append(
                {
                    "service": request.service,
                    "operation": request.operation,
                    "region": request.region,
                    "parameters": parameters,
                    "status": status,
                }
            )

    def all(self) -> list[dict[str, Any]]:
        """Return them, the oldest first."""
        with self._lock:
            return list(self._kept)


class Control:
    """Answers the paths below /emulator/ to whoever knows the secret key."""

    def __init__(self, faults: Faults, requests: Requests, capacity: Capacity, training: Training) -> None:
        """Take what they act on."""
        self._faults, self._requests, self._capacity, self._training = faults, requests, capacity, training
        self._paths: dict[tuple[str, str], Callable[[dict[str, Any]], Any]] = {
            ("POST", "faults"): faults.add,
            ("DELETE", "faults"): lambda _: faults.clear(),
            ("GET", "requests"): lambda _: requests.all(),
            ("POST", "capacity"): self._limit,
            ("POST", "interrupt"): self._lose,
        }

    def answer(self, environ: dict[str, Any]) -> Answer:
        """Answer a request below /emulator/; 404 for a path that there isn't, 400 for what can't be."""
        name = str(environ["PATH_INFO"]).removeprefix(PREFIX)
        path = self._paths.get((environ["REQUEST_METHOD"], name))
        if path is None:
            return _told({"error": f"there is no {environ['REQUEST_METHOD']} {PREFIX}{name}"}, 404)
        try:
            asked = json.loads(environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0)) or b"{}")
            return _told(path(asked))
        except (TypeError, ValueError, KeyError) as error:
            return _told({"error": f"{type(error).__name__}: {error}"}, 400)

    def _limit(self, asked: dict[str, Any]) -> None:
        self._capacity.limit(asked["instance_type"], asked["instances"])

    def _lose(self, asked: dict[str, Any]) -> None:
        self._training.lose(asked["job"], asked.get("kind", "spot"), float(asked.get("warning_s", 0)))


def _told(content: Any, status: int = 200) -> Answer:
    return json_answer(content, status, "application/json")
