"""WSGI application: checks keys, faults, rate limits and validity; then answers, or passes the request to moto."""

from __future__ import annotations

import hmac
import threading
import time
from collections.abc import Callable, Iterable
from http import HTTPStatus
from typing import Any

from sagemaker_emulator.capacity_and_clients import EmulatorState
from sagemaker_emulator.control_api import PREFIX, ControlApi, RequestLog
from sagemaker_emulator.experiments import moto_gaps
from sagemaker_emulator.protocol.faults_and_rate_limits import Fault, Faults, Rates, refusal
from sagemaker_emulator.protocol.request_parser import Request, read_request
from sagemaker_emulator.protocol.responses_and_errors import AwsError, Response, error_response, json_response
from sagemaker_emulator.protocol.service_model_validation import validate
from sagemaker_emulator.training.api_operations import TrainingOperations

_MODELS = ("sagemaker", "sagemaker-metrics")
_METRICS = ("BatchPutMetrics", "BatchGetMetrics")
_WRONG_KEY = "The security token included in the request is invalid."

StartResponse = Callable[..., Any]
WsgiApplication = Callable[[dict[str, Any], StartResponse], Iterable[bytes]]


class EmulatorApp:
    """A WSGI application in front of moto's."""

    def __init__(self, shared: EmulatorState, moto: WsgiApplication) -> None:
        """Build the application.

        Args:
            shared: with the access keys that are accepted.
            moto: the application that answers all other requests.
        """
        self._shared, self._moto = shared, moto
        self._faults, self._requests = Faults(), RequestLog()
        self._rates = Rates(shared.options.rates)
        self.training = TrainingOperations(shared)
        self._control = ControlApi(self._faults, self._requests, shared.capacity, self.training)
        self._creation = threading.Lock()
        self.last_request = time.monotonic()

    def __call__(self, environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        """Answer one request."""
        if str(environ.get("PATH_INFO", "")).startswith(PREFIX):
            self.last_request = time.monotonic()
            return _send(self._control_response(environ), start_response)
        try:
            request = read_request(environ)
        except ValueError as reason:
            error = AwsError("SerializationException", f"The request cannot be read: {reason}")
            return _send(error_response(error, "", speaks_json=True), start_response)
        if request.key == self._shared.own.access_key_id:
            return self._moto(environ, start_response)
        if request.key != self._shared.user.access_key_id:
            return _send(_refusal(request, _wrong_key(request)), start_response)
        return self._answer_user(request, start_response)

    def _control_response(self, environ: dict[str, Any]) -> Response:
        authorization = str(environ.get("HTTP_AUTHORIZATION", ""))
        if not hmac.compare_digest(authorization.encode(), f"Bearer {self._shared.user.secret_access_key}".encode()):
            return json_response({"error": "this needs the emulator's secret key"}, 403, "application/json")
        return self._control.answer(environ)

    def _answer_user(self, request: Request, start_response: StartResponse) -> Iterable[bytes]:
        self.last_request = time.monotonic()
        recorder = _StatusRecorder(start_response)
        fault = self._faults.take(request.operation)
        try:
            return self._with_fault(request, fault, recorder) if fault else self._answer(request, recorder)
        finally:
            # Before the response is sent, so that the client finds its request in the log afterwards.
            self._requests.add(request, recorder.status)

    def _with_fault(self, request: Request, fault: Fault, start_response: StartResponse) -> Iterable[bytes]:
        if fault.kind == "slow":
            time.sleep(fault.seconds)
            return self._answer(request, start_response)
        if fault.kind == "error_after":
            for _ in self._answer(request, lambda *_: None):
                pass
        else:
            request.drain()
        return _send(_refusal(request, refusal(fault, request.service)), start_response)

    def _answer(self, request: Request, start_response: StartResponse) -> Iterable[bytes]:
        try:
            self._rates.count(request.operation)
            if request.service == "sagemaker":
                service = _MODELS[request.operation in _METRICS]
                validate(service, request.operation, request.parameters)
                if operation := self.training.handler(request.operation, request.parameters):
                    return _send(json_response(operation(request.parameters, request.region)), start_response)
                if request.operation in moto_gaps.CREATE_OPERATIONS:
                    return self._create(request, start_response)
        except AwsError as error:
            request.drain()
            return _send(_refusal(request, error), start_response)
        return self._moto(request.environ, start_response)

    def _create(self, request: Request, start_response: StartResponse) -> Iterable[bytes]:
        """Let moto create something whose name must be unused."""
        with self._creation:
            moto_gaps.check_name_unused(request.operation, request.parameters, request.region)
            response = list(self._moto(request.environ, start_response))
            moto_gaps.store_attributes(request.operation, request.parameters, request.region)
            return response


class _StatusRecorder:
    """A start_response that records the status."""

    def __init__(self, start_response: StartResponse) -> None:
        self._start_response, self.status = start_response, 500  # if the application fails

    def __call__(self, status: str, *rest: Any) -> Any:
        self.status = int(status.partition(" ")[0])
        return self._start_response(status, *rest)


def _send(response: Response, start_response: StartResponse) -> Iterable[bytes]:
    phrase = HTTPStatus(response.status).phrase
    start_response(
        f"{response.status} {phrase}", [*response.headers.items(), ("Content-Length", str(len(response.body)))]
    )
    return [response.body]


def _refusal(request: Request, error: AwsError) -> Response:
    return error_response(error, request.service, speaks_json=request.speaks_json)


def _wrong_key(request: Request) -> AwsError:
    request.drain()
    if request.service == "s3":
        if request.key is None:
            return AwsError("AccessDenied", "Access Denied", 403)
        message = "The AWS Access Key Id you provided does not exist in our records."
        return AwsError("InvalidAccessKeyId", message, 403)
    if request.key is None:
        return AwsError("MissingAuthenticationToken", "Request is missing Authentication Token", 403)
    return AwsError("UnrecognizedClientException" if request.speaks_json else "InvalidClientTokenId", _WRONG_KEY, 403)
