"""Start of a trial's job: a new one, or one that an earlier command started."""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass
from pathlib import Path

from sagemaker_jobs.collect.job_bills import add_bill, bill_of, read_bills
from sagemaker_jobs.collect.sweep_record import SweepRecord
from sagemaker_jobs.options.job_options import JobOptions
from sagemaker_jobs.submit.training_jobs import COMPLETED, JobPostponedError, TrainingJobs
from sagemaker_jobs.submit.trial_sender import PreparedTrial, Sender


@dataclass(eq=False)
class RunningTrial:
    """A trial whose job is running or postponed.

    Attributes:
        number: the number of the trial.
        folder: the folder of the trial.
        prepared: the trial, prepared for its job.
        job: name of its job; None while it is postponed.
        postponed_by: the reason why it is postponed.
        retry_at: when to try again, by the monotonic clock.
        unwanted: whether the trial is to stop.
        stop_requested: whether the stop of the job was requested.
    """

    number: int
    folder: Path
    prepared: PreparedTrial
    job: str | None = None
    postponed_by: str = ""
    retry_at: float = 0.0
    unwanted: bool = False
    stop_requested: bool = False


class JobStarter:
    """Starts the jobs of a sweep."""

    def __init__(self, options: JobOptions, jobs: TrainingJobs, sender: Sender, record: SweepRecord) -> None:
        """Store the parts.

        Args:
            options: the options of all jobs.
            jobs: the jobs of the sweep.
            sender: creates jobs.
            record: the record of the sweep's jobs, for other shells.
        """
        self._options, self._jobs, self._sender, self._record = options, jobs, sender, record

    def stop_outdated(self, trial: RunningTrial) -> None:
        """Stop the job that this sweep started for the trial with another source of the lab, if it still runs."""
        name, digest = self._record.jobs.get(trial.number, ("", trial.prepared.digest))
        job = self._jobs.listed.get(name)
        if digest != trial.prepared.digest and job is not None and job.running:
            self._jobs.stop(name)
            print(f"{name} runs another source of the lab; its stop was requested", file=sys.stderr, flush=True)

    def start(self, trial: RunningTrial) -> None:
        """Start the trial's job, or print once why it is postponed.

        Raises:
            LabError: the job cannot be created.
        """
        prepared = trial.prepared
        self._add_missing_bill(trial)
        try:
            trial.job = self._jobs.start(trial.number, prepared.digest, lambda name: self._sender.send(name, prepared))
        except JobPostponedError as error:
            trial.retry_at = time.monotonic() + error.pause_s
            if str(error) != trial.postponed_by:
                trial.postponed_by = str(error)
                print(f"trial {trial.number} waits: {error}; it is tried again", file=sys.stderr, flush=True)
            return
        if not self._options.local:
            self._record.add_job(trial.number, trial.job, prepared.digest)

    def _add_missing_bill(self, trial: RunningTrial) -> None:
        """Add the bill of the last job, which may have ended while no command followed it."""
        last = self._jobs.latest(trial.number, trial.prepared.digest)
        if last is None or last.running or last.status == COMPLETED:
            return
        if last.name not in {bill["name"] for bill in read_bills(trial.folder)}:
            bill = bill_of(self._jobs.describe(last.name), self._options.prices, self._options.currency)
            add_bill(trial.folder, bill)
