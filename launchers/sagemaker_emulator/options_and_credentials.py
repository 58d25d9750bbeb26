"""Options of the emulator, and the access keys that its clients use."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Options:
    """Options of the emulator.

    Attributes:
        region: the region of clients that name none.
        isolation: how hosts are isolated: ``plain``, processes with their own folders; or ``namespaces``, with a real
            /opt/ml.
        quota: limits of instances that run at once, by type; other types have none.
        spot_discount: fraction of the price that spot instances save.
        rates: limits of calls per second, by operation; other operations have none.
        idle: seconds without jobs and requests after which the emulator exits; None for never.
        upload_every: seconds between copies of checkpoints.
        grace: seconds between SIGTERM and SIGKILL when a job is stopped.
    """

    region: str = "eu-west-1"
    isolation: str = "plain"
    quota: Mapping[str, int] = field(default_factory=dict)
    spot_discount: float = 0.7
    rates: Mapping[str, float] = field(default_factory=lambda: {"ListTrainingJobs": 2.0})
    idle: float | None = None
    upload_every: float = 1.0
    grace: float = 120.0


@dataclass(frozen=True)
class Credentials:
    """An access key."""

    access_key_id: str
    secret_access_key: str

    def environment(self, endpoint_url: str, region: str) -> dict[str, str]:
        """Return the environment variables by which every AWS client finds the emulator."""
        return {
            "AWS_ENDPOINT_URL": endpoint_url,
            "AWS_ACCESS_KEY_ID": self.access_key_id,
            "AWS_SECRET_ACCESS_KEY": self.secret_access_key,
            "AWS_DEFAULT_REGION": region,
            "AWS_REGION": region,
            "AWS_EC2_METADATA_DISABLED": "true",
        }
