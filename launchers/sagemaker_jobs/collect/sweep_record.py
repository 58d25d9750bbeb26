"""Record of a sweep's jobs, for commands in other shells and on other machines."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from battery_lab.common.atomic_write import atomic_write
from battery_lab.common.errors import ConfigError
from sagemaker_jobs.aws.s3_layout import S3Layout

RECORD = "remote.json"
SERVICE = "sagemaker"


def has_record(folder: Path) -> bool:
    """Return whether a folder holds the record of SageMaker jobs; those of earlier versions name no service."""
    try:
        content = json.loads((folder / RECORD).read_text())
    except FileNotFoundError:
        return False
    except (OSError, ValueError):
        # It is damaged, which SweepRecord.read explains.
        return True
    return not isinstance(content, dict) or content.get("service", SERVICE) == SERVICE


@dataclass
class SweepRecord:
    """The jobs of a sweep.

    Attributes:
        folder: the folder of the sweep.
        region: the region of the service.
        layout: the layout of the sweep in S3.
        prices: the prices of an instance hour, by instance type.
        currency: the currency of prices.
        experiment: the experiment in SageMaker Experiments.
        evaluated_run: local run folder whose policy the jobs evaluate; None if they train.
        rehearsal: folder of the emulator that replaces AWS; None for AWS.
        jobs: the name and the digest of each trial's last job, by the trial's number.
        stop_requested: names of the jobs whose stop the sweep requested.
    """

    folder: Path
    region: str
    layout: S3Layout
    prices: dict[str, float]
    currency: str
    experiment: str
    evaluated_run: Path | None
    rehearsal: Path | None
    jobs: dict[int, tuple[str, str]] = field(default_factory=dict)
    stop_requested: set[str] = field(default_factory=set)

    def add_job(self, number: int, job: str, digest: str) -> None:
        """Add a trial's job, and write the record."""
        self.jobs[number] = (job, digest)
        self.write()

    def add_stop_request(self, job: str) -> None:
        """Add a job whose stop was requested, and write the record."""
        self.stop_requested.add(job)
        self.write()

    def write(self) -> None:
        """Write the record, whole or not at all."""
        content: dict[str, Any] = {
            "service": SERVICE,
            "region": self.region,
            "bucket": self.layout.bucket,
            "prefix": self.layout.prefix,
            "lead": self.layout.name_prefix,
            "checkpoints": self.layout.checkpoint_uri,
            "key": self.layout.kms_key,
            "prices": self.prices,
            "currency": self.currency,
            "experiment": self.experiment,
            "judged": self.evaluated_run and str(self.evaluated_run),  # codespell:ignore judged
            "rehearsal": self.rehearsal and str(self.rehearsal),
            "asked": sorted(self.stop_requested),  # codespell:ignore asked
            "jobs": {str(number): list(job) for number, job in self.jobs.items()},
        }
        atomic_write(self.folder / RECORD, json.dumps(content, indent=1))

    @classmethod
    def known_jobs(cls, folder: Path, name_prefix: str) -> dict[int, tuple[str, str]]:
        """Return the jobs that an earlier launch of the same sweep recorded, if any."""
        try:
            earlier = cls.read(folder)
        except ConfigError:
            return {}
        return earlier.jobs if earlier.layout.name_prefix == name_prefix else {}

    @classmethod
    def read(cls, folder: Path) -> SweepRecord:
        """Read the record of a sweep.

        Raises:
            ConfigError: the folder holds none, or it is damaged.
        """
        try:
            content = json.loads((folder / RECORD).read_text())
            return cls(
                folder=folder,
                region=content["region"],
                layout=S3Layout(*(content[key] for key in ("bucket", "prefix", "lead", "checkpoints", "key"))),
                prices=dict(content["prices"]),
                currency=content["currency"],
                experiment=content["experiment"],
                evaluated_run=content["judged"] and Path(content["judged"]),  # codespell:ignore judged
                rehearsal=content["rehearsal"] and Path(content["rehearsal"]),
                stop_requested=set(content["asked"]),  # codespell:ignore asked
                jobs={int(number): (name, digest) for number, (name, digest) in content["jobs"].items()},
            )
        except FileNotFoundError:
            raise ConfigError(
                f"{folder} must be the folder of a sweep with SageMaker jobs, but holds no {RECORD}"
            ) from None
        except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
            raise ConfigError(
                f"{folder / RECORD} is damaged ({error}): restore it, or run the sweep's command again"
            ) from None
