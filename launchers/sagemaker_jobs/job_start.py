"""Having a trial's job begin: a new one, or the one that an earlier command began."""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass
from pathlib import Path

from sagemaker_jobs.collect.job_record import Record
from sagemaker_jobs.collect.outcome import came_to
from sagemaker_jobs.collect.results import Home, bills
from sagemaker_jobs.options.job_options import JobOptions
from sagemaker_jobs.submit.payload import Prepared, Sender
from sagemaker_jobs.submit.training_jobs import COMPLETED, Jobs, NotYetError


@dataclass(eq=False)
class Running:
    """A trial that is under way.

    Attributes:
        number: of the trial.
        folder: of the trial.
        prepared: as it is to travel.
        job: name of its job; None while that cannot be begun.
        waits_for: what it waits for then.
        again: when to ask for it once more, by the monotonic clock.
        unwanted: whether it is to stop.
        asked: whether the service has heard of that.
    """

    number: int
    folder: Path
    prepared: Prepared
    job: str | None = None
    waits_for: str = ""
    again: float = 0.0
    unwanted: bool = False
    asked: bool = False


class Beginning:
    """Begins the jobs of a sweep."""

    def __init__(self, options: JobOptions, jobs: Jobs, sender: Sender, record: Record, home: Home) -> None:
        """Remember all.

        Args:
            options: of all jobs.
            jobs: of the sweep.
            sender: has them created.
            record: of them, for other shells.
            home: the way home.
        """
        self._options, self._jobs, self._sender, self._record, self._home = options, jobs, sender, record, home

    def stop_old(self, running: Running) -> None:
        """Stop the job that this sweep began for the trial with another source of the lab, if it still runs."""
        name, who = self._record.jobs.get(running.number, ("", running.prepared.who))
        old = self._jobs.seen.get(name)
        if who != running.prepared.who and old is not None and old.under_way:
            self._jobs.stop(name)
            print(f"{name} is of another source of the lab and was asked to stop", file=sys.stderr, flush=True)

    def begin(self, running: Running) -> None:
        """Have its job begin, or say once why that has to wait.

        Raises:
            LabError: it cannot be sent.
        """
        prepared = running.prepared

        def send(name: str) -> None:
            self._sender.send(name, prepared)

        self._note_last(running)
        try:
            running.job = self._jobs.begin(running.number, prepared.who, send)
        except NotYetError as error:
            running.again = time.monotonic() + error.pause_s
            if str(error) != running.waits_for:
                running.waits_for = str(error)
                line = f"trial {running.number} waits, as {error}; it is tried again"
                print(line, file=sys.stderr, flush=True)
            return
        if not self._options.local:
            self._record.note(running.number, running.job, prepared.who)

    def _note_last(self, running: Running) -> None:
        """Note what the job before came to, which may have ended with nobody there to hear of it."""
        last = self._jobs.latest(running.number, running.prepared.who)
        if last is None or last.under_way or last.status == COMPLETED:
            return
        if last.name not in {bill["name"] for bill in bills(running.folder)}:
            cost = came_to(self._jobs.describe(last.name), self._options.prices, self._options.currency)
            self._home.note(running.folder, cost)
