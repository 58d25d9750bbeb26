"""What a sweep would send and cost, told before anything is sent."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from sagemaker_jobs.aws.connection import Connection, captured
from sagemaker_jobs.aws.job_names import job_name
from sagemaker_jobs.options.job_options import JobOptions
from sagemaker_jobs.submit.payload import Sender

HIDDEN = "***"  # as it may be secret


class Previewed:
    """Jobs that can be shown before they are."""

    def __init__(self, options: JobOptions, connection: Connection, sender: Sender) -> None:
        """Remember all.

        Args:
            options: of all jobs.
            connection: to AWS.
            sender: gets trials ready and has them created.
        """
        self._options, self._connection, self._sender = options, connection, sender

    @property
    def trial_resources(self) -> str:
        """What a trial takes, in words."""
        hosts = " and ".join(f"{group.count} x {group.type}" for group in self._options.groups)
        most = self._options.max_cost()
        bound = "" if most is None else f", at most {most:.2f} {self._options.currency}"
        return f"{hosts}{' spot' if self._options.spot else ''}{bound}"

    def validate(self, job: Any) -> None:
        """Raise ConfigError where a trial cannot be sent."""
        self._sender.check(job)

    def cost_limit(self, trials: int, tries: int) -> str:
        """Return what so many trials cost at most, in words; empty where a price is not known."""
        most = self._options.max_cost()
        if most is None:
            return ""
        tried = f", each tried {tries} times" if tries > 1 else ""
        return f"at most {most * trials * tries:.2f} {self._options.currency} for {trials} jobs{tried}\n"

    def preview(self, number: int, folder: Path, job: Any) -> str:
        """Return the request by which a trial's job would be created, as JSON; nothing is sent."""
        prepared = self._sender.prepare(number, folder, job)
        self._sender.open()
        name = job_name(self._sender.places.lead, number, prepared.who, 0)
        with captured(self._connection) as requests:
            self._sender.send(name, prepared)
        told = requests[0]
        hidden = {name: HIDDEN for name in self._options.environment}
        return json.dumps(told | {"Environment": told["Environment"] | hidden}, indent=2)
