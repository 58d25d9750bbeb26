"""Connection to AWS: clients with retries, the SageMaker SDK and its session, and the region."""

from __future__ import annotations

import logging
import os
import sys
from dataclasses import dataclass
from functools import cached_property
from importlib.util import find_spec
from typing import Any

from battery_lab.common.errors import ConfigError

RETRIES = 6
CONNECT_TIMEOUT_S, READ_TIMEOUT_S = 5, 60
MISSING_EXTRA = "launcher=sagemaker needs the extra aws, which is not installed (no {missing}): make setup-aws"


def check_extra() -> None:
    """Raise ConfigError if boto3 or SageMaker's SDK is missing."""
    try:
        import boto3  # noqa: F401
    except ImportError as error:
        raise ConfigError(MISSING_EXTRA.format(missing=error.name)) from None
    if find_spec("sagemaker") is None:
        raise ConfigError(MISSING_EXTRA.format(missing="sagemaker"))


def region_of(chosen: str | None) -> str | None:
    """Return the chosen region, or that of the environment or the profile."""
    if chosen:
        return chosen
    check_extra()
    import boto3

    from_environment = os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION")
    return from_environment or boto3.Session().region_name


@dataclass
class Connection:
    """Clients for one account and region.

    Attributes:
        region: the region of all clients.
        bucket: default bucket of the SDK's session.
        local: whether jobs run in the SDK's local mode.
    """

    region: str
    bucket: str
    local: bool = False

    @cached_property
    def session(self) -> Any:
        """The session of boto3."""
        import boto3

        # It logs every place where it looks for credentials and endpoints.
        logging.getLogger("botocore").setLevel(logging.WARNING)

        return boto3.Session(region_name=self.region)

    def client(self, service: str) -> Any:
        """Return a client that retries after network errors and service errors, and slows down when it is throttled."""
        from botocore.config import Config

        config = Config(
            retries={"mode": "adaptive", "max_attempts": RETRIES},
            connect_timeout=CONNECT_TIMEOUT_S,
            read_timeout=READ_TIMEOUT_S,
            user_agent_extra="battery_lab",
        )
        return self.session.client(service, config=config)

    @cached_property
    def sagemaker(self) -> Any:
        return self.client("sagemaker")

    @cached_property
    def s3(self) -> Any:
        return self.client("s3")

    @cached_property
    def logs(self) -> Any:
        """The client of CloudWatch Logs."""
        return self.client("logs")

    @cached_property
    def sdk(self) -> Any:
        """The session of SageMaker's SDK."""
        sagemaker = import_sdk()
        from sagemaker.config import load_sagemaker_config

        defaults = load_sagemaker_config(s3_resource=self.session.resource("s3"))
        defaults.setdefault("SchemaVersion", "1.0")
        modules = defaults.setdefault("SageMaker", {}).setdefault("PythonSDK", {}).setdefault("Modules", {})
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


def import_sdk() -> Any:
    """Import SageMaker's SDK without its log messages and its hook for uncaught exceptions."""
    check_extra()
    hook = sys.excepthook
    for name in ("sagemaker", "sagemaker.config"):
        # It also logs the errors that it raises.
        logging.getLogger(name).setLevel(logging.CRITICAL)
    os.environ.setdefault("SAGEMAKER_SUPPRESS_V2_WARNING", "1")
    try:
        import sagemaker
        from sagemaker import utils

        # The SDK (2.257) validates its defaults when they are loaded, and again whenever it reads them: twenty times
        # per job, each for 0.1 s. Once is enough.
        utils.validate_sagemaker_config = lambda config=None: None
    finally:
        # The SDK's hook reports uncaught errors of the whole program to its vendor.
        sys.excepthook = hook
    return sagemaker
