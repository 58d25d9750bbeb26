"""Connection to the emulator: starts it in a process of its own, or connects to a running one."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import boto3
from botocore.config import Config

from sagemaker_emulator.options_and_credentials import Credentials

_ADDRESS = "address.json"
_TIMEOUT_S = 60.0
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
    return EmulatorConnection(json.loads((Path(work) / _ADDRESS).read_text()))


class Emulator(EmulatorConnection):
    """An emulator in a process of its own, which runs within a ``with`` statement."""

    def __init__(self, work: str | Path, **options: Any) -> None:
        """Store how to start it.

        Args:
            work: its folder, created if missing; ``emulator.log`` there has its output.
            options: those of the command, with underscores: ``isolation="namespaces"``, ``grace=5``,
                ``quota={"ml.c5.xlarge": 2}``, ``rates={"ListTrainingJobs": 2}``.
        """
        self.work = Path(work)
        self._options = options

    def __enter__(self) -> Self:
        """Start the process and wait until it accepts requests."""
        self.work.mkdir(parents=True, exist_ok=True)
        (self.work / _ADDRESS).unlink(missing_ok=True)
        paths = [str(Path(__file__).parents[1]), os.environ.get("PYTHONPATH", "")]
        with (self.work / "emulator.log").open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "sagemaker_emulator", "--work", str(self.work), *self._arguments()],
                env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, paths))},
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        self._wait()
        super().__init__(json.loads((self.work / _ADDRESS).read_text()))
        return self

    def __exit__(self, *_: object) -> None:
        """Stop the process and its jobs."""
        self._process.terminate()
        self._process.wait()
        if self._process.stdin:
            self._process.stdin.close()

    def _wait(self) -> None:
        end = time.monotonic() + _TIMEOUT_S
        while not (self.work / _ADDRESS).exists():
            if self._process.poll() is not None or time.monotonic() > end:
                self._process.kill()
                output = (self.work / "emulator.log").read_text(errors="replace")[-2000:]
                raise RuntimeError(f"the emulator did not start: {output}")
            time.sleep(0.02)

    def _arguments(self) -> list[str]:
        arguments = ["--port", "0", "--with-parent"]
        for name, value in self._options.items():
            option = f"--{name.replace('_', '-')}"
            if isinstance(value, Mapping):
                arguments += [option, *(f"{key}={number}" for key, number in value.items())]
            elif value is not None:
                arguments += [option, str(value)]
        return arguments
