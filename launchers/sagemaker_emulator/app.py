"""What every request passes: the key, limits and faults, the model's rules; then it is answered here or by moto."""

from __future__ import annotations

import hmac
import threading
import time
from collections.abc import Callable, Iterable
from http import HTTPStatus
from typing import Any

from sagemaker_emulator.control_api import PREFIX, Control, Requests
from sagemaker_emulator.experiments import store
from sagemaker_emulator.protocol.faults import Fault, Faults, Rates, refusal
from sagemaker_emulator.protocol.request_parser import Request, read_request
from sagemaker_emulator.protocol.request_validation import check
from sagemaker_emulator.protocol.responses import Answer, AwsError, error_answer, json_answer
from sagemaker_emulator.training.machine import Machine
from sagemaker_emulator.training.operations import Training

_MODELS = ("sagemaker", "sagemaker-metrics")
_METRICS = ("BatchPutMetrics", "BatchGetMetrics")
_WRONG_KEY = "The security token included in the request is invalid."

StartResponse = Callable[..., Any]
Application = Callable[[dict[str, Any], StartResponse], Iterable[bytes]]


class Gate:
    """A WSGI application before moto's."""

    def __init__(self, machine: Machine, moto: Application) -> None:
        """Stand before moto.

        Args:
            machine: with the keys that are let through.
            moto: the application that answers what is not answered here.
        """
        self._machine, self._moto = machine, moto
        self._faults, self._requests = Faults(), Requests()
        self._rates = Rates(machine.options.rates)
        self.training = Training(machine)
        self._control = Control(self._faults, self._requests, machine.capacity, self.training)
        self._making = threading.Lock()
        self.last_request = time.monotonic()

    def __call__(self, environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        """Answer one request."""
        if str(environ.get("PATH_INFO", "")).startswith(PREFIX):
            self.last_request = time.monotonic()
            return _send(self._controlled(environ), start_response)
        try:
            request = read_request(environ)
        except ValueError as error:
            refused = AwsError("SerializationException", f"The request cannot be read: {error}")
            return _send(error_answer(refused, "", speaks_json=True), start_response)
        if request.key == self._machine.own.access_key_id:
            return self._moto(environ, start_response)
        if request.key != self._machine.user.access_key_id:
            return _send(_refused(request, _wrong_key(request)), start_response)
        return self._of_user(request, start_response)

    def _controlled(self, environ: dict[str, Any]) -> Answer:
        given = str(environ.get("HTTP_AUTHORIZATION", ""))
        if not hmac.compare_digest(given.encode(), f"Bearer {self._machine.user.secret_access_key}".encode()):
            return json_answer({"error": "this takes the emulator's secret key"}, 403, "application/json")
        return self._control.answer(environ)

    def _of_user(self, request: Request, start_response: StartResponse) -> Iterable[bytes]:
        self.last_request = time.monotonic()
        told = _Told(start_response)
        fault = self._faults.take(request.operation)
        try:
            return self._with_fault(request, fault, told) if fault else self._answer(request, told)
        finally:
            # Before the answer is sent, so that whoever has read it finds its request told of.
            self._requests.add(request, told.status)

    def _with_fault(self, request: Request, fault: Fault, told: _Told) -> Iterable[bytes]:
        if fault.kind == "slow":
            time.sleep(fault.seconds)
            return self._answer(request, told)
        if fault.kind == "error_after":
            for _ in self._answer(request, lambda *_: None):
                pass
        else:
            request.drain()
        return _send(_refused(request, refusal(fault, request.service)), told)

    def _answer(self, request: Request, start_response: StartResponse) -> Iterable[bytes]:
        try:
            self._rates.count(request.operation)
            if request.service == "sagemaker":
                service = _MODELS[request.operation in _METRICS]
                check(service, request.operation, request.parameters)
                if answer := self.training.handler(request.operation, request.parameters):
                    return _send(json_answer(answer(request.parameters, request.region)), start_response)
                if request.operation in store.MAKING:
                    return self._make(request, start_response)
        except AwsError as error:
            request.drain()
            return _send(_refused(request, error), start_response)
        return self._moto(request.environ, start_response)

    def _make(self, request: Request, start_response: StartResponse) -> Iterable[bytes]:
        """Have moto make what there must be only one of."""
        with self._making:
            store.check_name_is_free(request.operation, request.parameters, request.region)
            answer = list(self._moto(request.environ, start_response))
            store.keep_what_moto_drops(request.operation, request.parameters, request.region)
            return answer


class _Told:
    """A start_response that remembers the status."""

    def __init__(self, start_response: StartResponse) -> None:
        self._start_response, self.status = start_response, 500  # where the work itself fails

    def __call__(self, status: str, *rest: Any) -> Any:
        self.status = int(status.partition(" ")[0])
        return self._start_response(status, *rest)


def _send(answer: Answer, start_response: StartResponse) -> Iterable[bytes]:
    phrase = HTTPStatus(answer.status).phrase
    start_response(f"{answer.status} {phrase}", [*answer.headers.items(), ("Content-Length", str(len(answer.body)))])
    return [answer.body]


def _refused(request: Request, error: AwsError) -> Answer:
    return error_answer(error, request.service, speaks_json=request.speaks_json)


def _wrong_key(request: Request) -> AwsError:
    request.drain()
    if request.service == "s3":
        if request.key is None:
            return AwsError("AccessDenied", "Access Denied", 403)
        words = "The AWS Access Key Id you provided does not exist in our records."
        return AwsError("InvalidAccessKeyId", words, 403)
    if request.key is None:
        return AwsError("MissingAuthenticationToken", "Request is missing Authentication Token", 403)
    return AwsError("UnrecognizedClientException" if request.speaks_json else "InvalidClientTokenId", _WRONG_KEY, 403)
