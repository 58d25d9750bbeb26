"""The way to AWS: clients that try again, a region, and one message for what stands in the way."""

from __future__ import annotations

import logging
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, TypeVar

from battery_lab.common.errors import ConfigError, LabError

T = TypeVar("T")
ATTEMPTS = 6
# ListTrainingJobs allows two requests a second in an account; others may be at it too.
LEAST_PAUSE_S = 0.6
NEEDS = "launcher=sagemaker needs the extra aws, which is not installed ({missing}): make setup-aws"


def check_extra() -> None:
    """Raise ConfigError where boto3 or SageMaker's SDK is missing."""
    try:
        import boto3  # noqa: F401
    except ImportError as error:
        raise ConfigError(NEEDS.format(missing=f"no {error.name}")) from None
    from importlib.util import find_spec

    if find_spec("sagemaker") is None:
        raise ConfigError(NEEDS.format(missing="no sagemaker"))


def region_of(wanted: str | None) -> str | None:
    """Return the region to use: the one asked for, or that of the environment or the profile."""
    if wanted:
        return wanted
    check_extra()
    import boto3

    named = os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION")
    return named or boto3.Session().region_name


@dataclass
class Connection:
    """Clients of one account and region.

    Attributes:
        region: of all.
        bucket: that the SDK may take for its own uploads.
        local: whether jobs run by the SDK's local mode.
    """

    region: str
    bucket: str
    local: bool = False
    _last: float = field(default=0.0, init=False)

    @cached_property
    def session(self) -> Any:
        """Boto's session."""
        import boto3

        # It tells of each place where it looked for credentials and endpoints.
        logging.getLogger("botocore").setLevel(logging.WARNING)

        return boto3.Session(region_name=self.region)

    def client(self, service: str) -> Any:
        """Return a client that tries again after throttling, faults of the service and of the network."""
        from botocore.config import Config

        retries = {"mode": "standard", "max_attempts": ATTEMPTS}
        # A network that is down is told within a minute, and asked again by who waits for jobs.
        times = {"connect_timeout": 5, "read_timeout": 60}
        return self.session.client(service, config=Config(retries=retries, user_agent_extra="battery_lab", **times))

    @cached_property
    def sagemaker(self) -> Any:
        """SageMaker's own client."""
        return self.client("sagemaker")

    @cached_property
    def s3(self) -> Any:
        """S3's client."""
        return self.client("s3")

    @cached_property
    def logs(self) -> Any:
        """The client of CloudWatch Logs."""
        return self.client("logs")

    @cached_property
    def sdk(self) -> Any:
        """The session of SageMaker's SDK."""
        sagemaker = sdk()
        from sagemaker.config import load_sagemaker_config

        defaults = load_sagemaker_config(s3_resource=self.session.resource("s3"))
        defaults.setdefault("SchemaVersion", "1.0")
        modules = defaults.setdefault("SageMaker", {}).setdefault("PythonSDK", {}).setdefault("Modules", {})
        # The SDK tells its makers of each call otherwise.
        modules["TelemetryOptOut"] = True
        if self.local:
            from sagemaker.local import LocalSession

            return LocalSession(
                boto_session=self.session,
                default_bucket=self.bucket,
                disable_local_code=True,
                sagemaker_config=defaults,
            )
        return sagemaker.Session(
            boto_session=self.session,
            sagemaker_client=self.sagemaker,
            default_bucket=self.bucket,
            sagemaker_config=defaults,
        )

    def paced(self, request: Callable[[], T]) -> T:
        """Make a request of the kinds that the service counts, not too soon after the one before."""
        pause = self._last + LEAST_PAUSE_S - time.monotonic()
        if pause > 0:
            time.sleep(pause)
        try:
            return request()
        finally:
            self._last = time.monotonic()


class _CapturedError(Exception):
    """A request that was not sent."""


@contextmanager
def captured(connection: Connection) -> Iterator[list[dict[str, Any]]]:
    """Have requests for jobs caught before they leave; yields a list that holds each at the end."""
    caught: list[dict[str, Any]] = []

    def catch(params: dict[str, Any], **_: Any) -> None:
        caught.append(params)
        raise _CapturedError

    if connection.local:
        # It has a client of its own, without the events of boto's.
        own = connection.sdk.sagemaker_client
        own.create_training_job = lambda **params: catch(params)
        try:
            with suppress(_CapturedError):
                yield caught
        finally:
            del own.create_training_job
        return
    events, name = connection.sagemaker.meta.events, "provide-client-params.sagemaker.CreateTrainingJob"
    events.register(name, catch)
    try:
        with suppress(_CapturedError):
            yield caught
    finally:
        events.unregister(name, catch)


def sdk() -> Any:
    """Import SageMaker's SDK, without its talk and its way with errors."""
    check_extra()
    hook = sys.excepthook
    for name in ("sagemaker", "sagemaker.config"):
        # It logs what it raises as well.
        logging.getLogger(name).setLevel(logging.CRITICAL)
    os.environ.setdefault("SAGEMAKER_SUPPRESS_V2_WARNING", "1")
    try:
        import sagemaker
        from sagemaker import utils

        # Its defaults are checked as they are loaded and given to a session; it does so again, for a tenth of a second,
        # at each of the twenty looks into them that a job takes (2.257).
        utils.validate_sagemaker_config = lambda config=None: None
    finally:
        # The SDK reports errors of the whole program to its makers otherwise.
        sys.excepthook = hook
    return sagemaker


def code_of(error: Exception) -> str:
    """Return the code by which AWS names an error; empty for another one."""
    response = getattr(error, "response", None) or {}
    return str(response.get("Error", {}).get("Code", ""))


class ServiceError(LabError):
    """AWS, or the way to it, answered otherwise than was hoped.

    Attributes:
        passes: whether it passes by itself, as overload, faults of the service and outages do.
    """

    def __init__(self, message: str, passes: bool) -> None:
        """Remember both."""
        super().__init__(message)
        self.passes = passes


def passes(error: Exception) -> bool:
    """Return whether an error passes by itself: overload, a fault of the service, an outage, a login that ran out."""
    from botocore import exceptions

    response = getattr(error, "response", None)
    if response is None:
        away = (
            exceptions.HTTPClientError,
            exceptions.ConnectionError,
            exceptions.TokenRetrievalError,
            exceptions.CredentialRetrievalError,
        )
        return isinstance(error, away)
    status = int(response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
    return status >= 500 or code_of(error) in PASSING


def told_by(error: Exception, what: str) -> ServiceError:
    """Return one message for what AWS, or the way to it, answered.

    Args:
        error: of botocore.
        what: was being done, after "could not".
    """
    name, text = code_of(error) or type(error).__name__, " ".join(str(error).split())
    hint = HINTS.get(name, "look up the message, mend it, and give the same command again")
    return ServiceError(f"could not {what}: {name}: {text[:400]}: {hint}", passes(error))


PASSING = (
    "ThrottlingException",
    "Throttling",
    "RequestLimitExceeded",
    "SlowDown",
    "ExpiredToken",
    "ExpiredTokenException",
)
HINTS = {
    "NoCredentialsError": "log in (aws configure, aws sso login) or set AWS_PROFILE",
    "UnrecognizedClientException": "log in again; the account does not know these credentials",
    "InvalidClientTokenId": "log in again; the account does not know these credentials",
    "ExpiredToken": "log in again; the credentials have run out",
    "ExpiredTokenException": "log in again; the credentials have run out",
    "AccessDenied": "compare your rights with launchers/iam/launcher.json",
    "AccessDeniedException": "compare your rights with launchers/iam/launcher.json",
    "403": "compare your rights with launchers/iam/launcher.json",
    "NoSuchBucket": "make the bucket, or set hydra.launcher.bucket to one that there is",
    "EndpointConnectionError": "is there a network, and a service in hydra.launcher.region?",
}
