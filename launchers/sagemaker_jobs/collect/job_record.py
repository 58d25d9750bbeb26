"""What a sweep notes of its jobs, for the commands that look at it from another shell, or another machine."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from battery_lab.common.atomic_write import atomic_write
from battery_lab.common.errors import ConfigError
from sagemaker_jobs.aws.s3_layout import Places

RECORD = "remote.json"
# Who reads it, which the commands of a sweep import by this name.
READER = "hydra_plugins.battery_lab_launchers._sagemaker_remote"


@dataclass
class Record:
    """The jobs of a sweep.

    Attributes:
        folder: of the sweep.
        region: of the service.
        places: of the sweep in S3.
        prices: of an instance hour by type.
        currency: of prices.
        experiment: of SageMaker Experiments.
        judged: run folder here whose policy the jobs judge; None: they train.
        rehearsal: folder of the emulator that takes the place of AWS; None: AWS.
        jobs: name and digits of the last job of each trial, by its number.
        asked: names of jobs that the sweep asked to stop.
    """

    folder: Path
    region: str
    places: Places
    prices: dict[str, float]
    currency: str
    experiment: str
    judged: Path | None
    rehearsal: Path | None
    jobs: dict[int, tuple[str, str]] = field(default_factory=dict)
    asked: set[str] = field(default_factory=set)

    def note(self, number: int, job: str, who: str) -> None:
        """Note a trial's job, and write all."""
        self.jobs[number] = (job, who)
        self.write()

    def note_asked(self, job: str) -> None:
        """Note that a job was asked to stop, and write all."""
        self.asked.add(job)
        self.write()

    def write(self) -> None:
        """Write all, whole or not at all."""
        told: dict[str, Any] = {
            "reader": READER,
            "region": self.region,
            "bucket": self.places.bucket,
            "prefix": self.places.prefix,
            "lead": self.places.lead,
            "checkpoints": self.places.checkpoints,
            "key": self.places.key,
            "prices": self.prices,
            "currency": self.currency,
            "experiment": self.experiment,
            "judged": self.judged and str(self.judged),
            "rehearsal": self.rehearsal and str(self.rehearsal),
            "asked": sorted(self.asked),
            "jobs": {str(number): list(job) for number, job in self.jobs.items()},
        }
        atomic_write(self.folder / RECORD, json.dumps(told, indent=1))

    @classmethod
    def known(cls, folder: Path, lead: str) -> dict[int, tuple[str, str]]:
        """Return the jobs that an earlier launch of the same sweep noted, if any."""
        try:
            earlier = cls.read(folder)
        except ConfigError:
            return {}
        return earlier.jobs if earlier.places.lead == lead else {}

    @classmethod
    def read(cls, folder: Path) -> Record:
        """Read it.

        Raises:
            ConfigError: there is none, or it is damaged.
        """
        try:
            told = json.loads((folder / RECORD).read_text())
            return cls(
                folder=folder,
                region=told["region"],
                places=Places(told["bucket"], told["prefix"], told["lead"], told["checkpoints"], told["key"]),
                prices=dict(told["prices"]),
                currency=told["currency"],
                experiment=told["experiment"],
                judged=told["judged"] and Path(told["judged"]),
                rehearsal=told["rehearsal"] and Path(told["rehearsal"]),
                asked=set(told["asked"]),
                jobs={int(number): (name, who) for number, (name, who) in told["jobs"].items()},
            )
        except FileNotFoundError:
            raise ConfigError(
                f"{folder} must be the folder of a sweep with SageMaker jobs, and holds no {RECORD}"
            ) from None
        except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
            raise ConfigError(
                f"{folder / RECORD} is damaged ({error}): bring back a whole one, or give the sweep's command again"
            ) from None
