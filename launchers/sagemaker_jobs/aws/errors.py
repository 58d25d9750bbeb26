"""Errors of AWS, reported as one message with a remedy."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from battery_lab.common.errors import LabError

TRANSIENT_CODES = (
    "ThrottlingException",
    "Throttling",
    "RequestLimitExceeded",
    "SlowDown",
    "ExpiredToken",
    "ExpiredTokenException",
)
RIGHTS = "compare your rights with launchers/iam/launcher.json"
UNKNOWN_CREDENTIALS = "log in again; the account does not know these credentials"
EXPIRED_CREDENTIALS = "log in again; the credentials have expired"
REMEDIES = {
    "NoCredentialsError": "log in (aws configure, aws sso login) or set AWS_PROFILE",
    "UnrecognizedClientException": UNKNOWN_CREDENTIALS,
    "InvalidClientTokenId": UNKNOWN_CREDENTIALS,
    "ExpiredToken": EXPIRED_CREDENTIALS,
    "ExpiredTokenException": EXPIRED_CREDENTIALS,
    "AccessDenied": RIGHTS,
    "AccessDeniedException": RIGHTS,
    "403": RIGHTS,
    "NoSuchBucket": "create the bucket, or set hydra.launcher.bucket to an existing one",
    "EndpointConnectionError": "check the network and hydra.launcher.region",
}


class ServiceError(LabError):
    """AWS refused a request or could not be reached.

    Attributes:
        transient: whether a retry can succeed, as after throttling, internal errors and network outages.
    """

    def __init__(self, message: str, transient: bool) -> None:
        super().__init__(message)
        self.transient = transient


@contextmanager
def aws_errors(action: str) -> Iterator[None]:
    """Raise ServiceError for errors of boto3 and botocore.

    Args:
        action: that is attempted, to follow "could not".
    """
    from boto3.exceptions import Boto3Error
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        yield
    except (Boto3Error, BotoCoreError, ClientError) as error:
        name, text = error_code(error) or type(error).__name__, " ".join(str(error).split())
        remedy = REMEDIES.get(name, "look up the message, fix the cause and run the same command again")
        raise ServiceError(f"could not {action}: {name}: {text[:400]}: {remedy}", is_transient(error)) from None


def error_code(error: Exception) -> str:
    """Return the code that AWS gave an error; empty if the error is not from AWS."""
    response = getattr(error, "response", None) or {}
    return str(response.get("Error", {}).get("Code", ""))


def is_transient(error: Exception) -> bool:
    """Return whether a retry can succeed: after throttling, internal errors, network outages and expired logins."""
    from botocore import exceptions

    response = getattr(error, "response", None)
    if response is None:
        unreachable = (
            exceptions.HTTPClientError,
            exceptions.ConnectionError,
            exceptions.TokenRetrievalError,
            exceptions.CredentialRetrievalError,
        )
        return isinstance(error, unreachable)
    status = int(response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
    return status >= 500 or error_code(error) in TRANSIENT_CODES
