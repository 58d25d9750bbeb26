"""Capacity and clients: the instances that are available, and the boto3 clients and options that all jobs share."""

from __future__ import annotations

import threading
from functools import cached_property
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config

from sagemaker_emulator.job_state import Job
from sagemaker_emulator.options_and_credentials import Credentials, Options


class Clients:
    """The emulator's boto3 clients for one region."""

    def __init__(self, endpoint_url: str, credentials: Credentials, region: str) -> None:
        """Store the address; each client is created when it is first used."""
        self._session = boto3.Session(credentials.access_key_id, credentials.secret_access_key, region_name=region)
        self._endpoint_url = endpoint_url

    @cached_property
    def s3(self) -> Any:
        """Return the client of S3."""
        return self._client("s3")

    @cached_property
    def logs(self) -> Any:
        """Return the client of CloudWatch Logs."""
        return self._client("logs")

    @cached_property
    def cloudwatch(self) -> Any:
        """Return the client of CloudWatch."""
        return self._client("cloudwatch")

    def _client(self, service: str) -> Any:
        config = Config(max_pool_connections=50, proxies={})
        return self._session.client(service, endpoint_url=self._endpoint_url, config=config)


class Capacity:
    """Numbers of available instances by type; unlimited unless set."""

    def __init__(self) -> None:
        """Start without limits."""
        self._limits: dict[str, int] = {}
        self._used: dict[str, int] = {}
        self._lock = threading.Lock()

    def limit(self, instance_type: str, instances: int | None) -> None:
        """Set the number of available instances; None for any number."""
        with self._lock:
            self._limits.pop(instance_type, None)
            if instances is not None:
                self._limits[instance_type] = instances

    def take(self, job: Job) -> bool:
        """Take all instances of a job, or none; returns whether they were available."""
        with self._lock:
            counts = _instances(job)
            if any(self._used.get(kind, 0) + count > self._limits.get(kind, 1 << 31) for kind, count in counts.items()):
                return False
            for kind, count in counts.items():
                self._used[kind] = self._used.get(kind, 0) + count
            return True

    def release(self, job: Job) -> None:
        """Release the instances of a job."""
        with self._lock:
            for kind, count in _instances(job).items():
                self._used[kind] -= count


class EmulatorState:
    """Shared state of all jobs."""

    def __init__(self, options: Options, work: Path, endpoint_url: str, user: Credentials, own: Credentials) -> None:
        """Store the state.

        Args:
            options: the options of the emulator.
            work: folder that contains the folders of jobs.
            endpoint_url: the URL of the emulator.
            user: access key of users and jobs.
            own: access key of the emulator itself, whose requests have no faults and are not logged.
        """
        self.options, self.work, self.endpoint_url, self.user, self.own = options, work, endpoint_url, user, own
        self.capacity = Capacity()
        self.closing = threading.Event()
        self._clients: dict[str, Clients] = {}
        self._lock = threading.Lock()

    def clients(self, region: str) -> Clients:
        """Return the emulator's clients for a region."""
        with self._lock:
            if region not in self._clients:
                self._clients[region] = Clients(self.endpoint_url, self.own, region)
            return self._clients[region]


def _instances(job: Job) -> dict[str, int]:
    counts: dict[str, int] = {}
    for group in job.groups:
        counts[group.instance_type] = counts.get(group.instance_type, 0) + len(group.hosts)
    return counts
