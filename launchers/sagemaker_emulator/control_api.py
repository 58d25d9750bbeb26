"""Control API: paths below /emulator/, by which tests add faults and read the log of requests."""

from __future__ import annotations

import json
import threading
from collections import deque
from collections.abc import Callable
from typing import Any

from sagemaker_emulator.capacity_and_clients import Capacity
from sagemaker_emulator.protocol.faults_and_rate_limits import Faults
from sagemaker_emulator.protocol.request_parser import Request
from sagemaker_emulator.protocol.responses_and_errors import Response, json_response, to_json
from sagemaker_emulator.training.api_operations import TrainingOperations

PREFIX = "/emulator/"
_KEPT = 10_000  # requests
_LONGEST = 100_000  # characters of a request's parameters


class RequestLog:
    """The last requests: operation, parameters and the status of the response."""

    def __init__(self) -> None:
        """Start without requests."""
        self._kept: deque[dict[str, Any]] = deque(maxlen=_KEPT)
        self._lock = threading.Lock()

    def add(self, request: Request, status: int) -> None:
        """Add a request; very long parameters are left out."""
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
        """Return the requests, the oldest first."""
        with self._lock:
            return list(self._kept)


class ControlApi:
    """Answers requests below /emulator/."""

    def __init__(self, faults: Faults, requests: RequestLog, capacity: Capacity, training: TrainingOperations) -> None:
        """Store the parts that the requests act on."""
        self._faults, self._requests, self._capacity, self._training = faults, requests, capacity, training
        self._paths: dict[tuple[str, str], Callable[[dict[str, Any]], Any]] = {
            ("POST", "faults"): faults.add,
            ("DELETE", "faults"): lambda _: faults.clear(),
            ("GET", "requests"): lambda _: requests.all(),
            ("POST", "capacity"): self._set_capacity,
            ("POST", "interrupt"): self._interrupt,
        }

    def answer(self, environ: dict[str, Any]) -> Response:
        """Answer a request; status 404 for an unknown path, 400 for invalid content."""
        name = str(environ["PATH_INFO"]).removeprefix(PREFIX)
        path = self._paths.get((environ["REQUEST_METHOD"], name))
        if path is None:
            return _response({"error": f"there is no {environ['REQUEST_METHOD']} {PREFIX}{name}"}, 404)
        try:
            content = json.loads(environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0)) or b"{}")
            return _response(path(content))
        except (TypeError, ValueError, KeyError) as error:
            return _response({"error": f"{type(error).__name__}: {error}"}, 400)

    def _set_capacity(self, content: dict[str, Any]) -> None:
        self._capacity.limit(content["instance_type"], content["instances"])

    def _interrupt(self, content: dict[str, Any]) -> None:
        self._training.interrupt(content["job"], content.get("kind", "spot"), float(content.get("warning_s", 0)))


def _response(content: Any, status: int = 200) -> Response:
    return json_response(content, status, "application/json")
