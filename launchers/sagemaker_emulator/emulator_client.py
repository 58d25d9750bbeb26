"""Client of a running emulator: its endpoint and access key, AWS clients for it, faults and the log of requests."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config

from sagemaker_emulator.options_and_credentials import Credentials

ADDRESS = "address.json"
_DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # loopback needs no proxy


class EmulatorConnection:
    """A running emulator, and clients for it."""

    def __init__(self, address: Mapping[str, Any]) -> None:
        """Read the content of its address.json."""
        self.endpoint_url: str = address["endpoint_url"]
        self.region: str = address["region"]
        self.account: str = address["account"]
        self.pid: int = address["pid"]
        self.credentials = Credentials(address["access_key_id"], address["secret_access_key"])
        self.faults = RemoteFaults(self)

    @property
    def environment(self) -> dict[str, str]:
        """Return the environment variables by which every AWS client finds it."""
        return self.credentials.environment(self.endpoint_url, self.region)

    @cached_property
    def session(self) -> boto3.Session:
        """Return a boto3 session with its key; clients of the session need ``endpoint_url``."""
        key = self.credentials
        return boto3.Session(key.access_key_id, key.secret_access_key, region_name=self.region)

    def client(self, service: str, **config: Any) -> Any:
        """Return a boto3 client.

        Args:
            service: such as ``s3``.
            config: fields of botocore's Config, such as ``retries``.
        """
        settings = Config(proxies={}, **config)
        return self.session.client(service, endpoint_url=self.endpoint_url, config=settings)

    def requests(self, operation: str | None = None) -> list[dict[str, Any]]:
        """Return the last requests, the oldest first: service, operation, region, parameters and status.

        Args:
            operation: only requests of this operation; None: all.
        """
        requests: list[dict[str, Any]] = self.control("GET", "requests")
        return [request for request in requests if operation in (None, request["operation"])]

    def interrupt(self, job: str, *, kind: str = "spot", warning_s: float = 0) -> None:
        """Take the instances of a training job away.

        Args:
            job: name; its secondary status must be Training.
            kind: ``spot``, or ``internal`` for an internal error of the service.
            warning_s: time between SIGTERM and the loss.
        """
        self.control("POST", "interrupt", {"job": job, "kind": kind, "warning_s": warning_s})

    def capacity(self, instance_type: str, instances: int | None) -> None:
        """Set the number of available instances of a type; None for any number."""
        self.control("POST", "capacity", {"instance_type": instance_type, "instances": instances})

    def control(self, method: str, name: str, content: Any = None) -> Any:
        """Call a path below /emulator/; raises ValueError with the emulator's error message."""
        request = urllib.request.Request(
            f"{self.endpoint_url}/emulator/{name}",
            data=None if content is None else json.dumps(content).encode(),
            method=method,
            headers={"Authorization": f"Bearer {self.credentials.secret_access_key}"},
        )
        try:
            with _DIRECT.open(request) as response:
                return json.load(response)
        except urllib.error.HTTPError as error:
            raise ValueError(json.load(error)["error"]) from None


class RemoteFaults:
    """Faults of an emulator."""

    def __init__(self, connection: EmulatorConnection) -> None:
        """Store the connection."""
        self._connection = connection

    def add(self, operation: str, kind: str, *, times: int = 1, skip: int = 0, seconds: float = 1.0) -> None:
        """Add a fault; see ``sagemaker_emulator.protocol.faults_and_rate_limits``.

        Args:
            operation: an operation, by botocore's name.
            kind: ``throttle``, ``error_before``, ``error_after`` or ``slow``.
            times: number of requests that fail.
            skip: number of requests before them that do not.
            seconds: delay of a slow response.
        """
        content = {"operation": operation, "kind": kind, "times": times, "skip": skip, "seconds": seconds}
        self._connection.control("POST", "faults", content)

    def clear(self) -> None:
        """Remove all faults."""
        self._connection.control("DELETE", "faults")


def connect(work: str | Path) -> EmulatorConnection:
    """Connect to a running emulator.

    Args:
        work: its folder.

    Raises:
        FileNotFoundError: no emulator runs there.
    """
    return EmulatorConnection(json.loads((Path(work) / ADDRESS).read_text()))
