"""Pool of SageMaker training jobs, which the scheduler of a sweep starts, polls and stops."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from battery_lab.common.errors import LabError
from battery_lab.sweep.interfaces import Outcome
from battery_lab.sweep.journal import TrialState
from sagemaker_jobs.aws.connection import Connection
from sagemaker_jobs.aws.errors import ServiceError, aws_errors
from sagemaker_jobs.collect.download_and_outcome import collect_outcome
from sagemaker_jobs.collect.downloads import Downloads
from sagemaker_jobs.collect.experiments_upload import log_run, run_name
from sagemaker_jobs.collect.job_bills import bill_of
from sagemaker_jobs.collect.sweep_record import SweepRecord
from sagemaker_jobs.options.job_options import JobOptions
from sagemaker_jobs.submit.dry_run import DryRun
from sagemaker_jobs.submit.job_starter import JobStarter, RunningTrial
from sagemaker_jobs.submit.local_mode import LocalModeJobs
from sagemaker_jobs.submit.training_jobs import TrainingJobs
from sagemaker_jobs.submit.trial_sender import Sender

LEFT = "its job continues; the same command follows it again"
NOT_SENT = "it was not sent yet; the same command sends it"


class SageMakerPool(DryRun):
    """Training jobs, at most ``max_parallel`` at a time."""

    def __init__(self, options: JobOptions, connection: Connection, sender: Sender, record: SweepRecord) -> None:
        """Store the parts; nothing is requested from the service yet.

        Args:
            options: the options of all jobs.
            connection: the connection to AWS.
            sender: prepares trials and creates their jobs.
            record: the record of the sweep's jobs, for other shells.
        """
        super().__init__(options, connection, sender)
        self._record = record
        layout = sender.layout
        self.jobs = (
            LocalModeJobs(layout.name_prefix, layout.output, str(options.instance_type), options.hosts)
            if options.local
            else TrainingJobs(connection, layout.name_prefix)
        )
        self._downloads = Downloads(connection, layout, options.evaluated_run)
        self._starter = JobStarter(options, self.jobs, sender, record)
        self._running: dict[int, RunningTrial] = {}
        self._polled_at = 0.0
        self._left = self._stopping = self._outage = False

    def open(self) -> None:
        """List the jobs of the sweep, and upload the lab's source.

        Raises:
            LabError: the service or the bucket cannot be reached.
        """
        with aws_errors("reach SageMaker and S3"):
            self.jobs.refresh()
            self._sender.open()

    @property
    def max_parallel(self) -> int:
        """The largest number of jobs at a time."""
        return self._options.max_parallel

    @property
    def has_capacity(self) -> bool:
        """Whether another job can be started; not while one is postponed, for instance by a full quota."""
        postponed = any(trial.job is None for trial in self._running.values())
        return not self._left and not postponed and len(self._running) < self._options.max_parallel

    @property
    def is_busy(self) -> bool:
        """Whether any trial is running."""
        return bool(self._running)

    def start(self, number: int, folder: Path, job: Any) -> None:
        """Start a trial's job, or follow the one that an earlier launch started.

        Args:
            number: the number of the trial.
            folder: the folder of the trial, created if missing.
            job: the trial.

        Raises:
            LabError: the job cannot be created.
        """
        folder.mkdir(parents=True, exist_ok=True)
        with aws_errors(f"send trial {number}"):
            trial = RunningTrial(number, folder, self._sender.prepare(number, folder, job))
            self._starter.stop_outdated(trial)
            self._starter.start(trial)
        self._running[number] = trial
        self._polled_at = 0.0

    def wait(self, seconds: float) -> Iterator[Outcome]:
        """Wait for at most so many seconds, and yield outcomes; polls the service once per poll interval."""
        leaves = self._left or not (self._options.wait or self._stopping)
        if leaves and not self._left:
            # Jobs of an earlier command may have finished, which makes room for more.
            finished = list(self._outcomes([trial for trial in self._running.values() if self._has_finished(trial)]))
            yield from finished
            if finished:
                return
        if leaves:
            yield from self._leave()
            return
        for trial in [trial for trial in self._running.values() if trial.unwanted and trial.job is None]:
            yield self._remove(trial, Outcome(number=trial.number, state=TrialState.STOPPED))
        due = self._polled_at + self._options.poll_interval_s - time.monotonic()
        if due > 0:
            time.sleep(min(due, seconds))
            return
        self._polled_at = time.monotonic()
        if not self._reached(self.jobs.refresh):
            return
        for trial in list(self._running.values()):
            if trial.unwanted:
                self._request_stop(trial)
        yield from self._outcomes(list(self._running.values()))

    def _has_finished(self, trial: RunningTrial) -> bool:
        job = None if trial.job is None else self.jobs.listed.get(trial.job)
        return job is not None and not job.running

    def _outcomes(self, trials: Iterable[RunningTrial]) -> Iterator[Outcome]:
        """Yield the outcomes of the trials that have finished, after downloading their results."""
        for trial in trials:
            outcomes: list[Outcome] = []
            self._reached(partial(self._poll, trial, outcomes))
            for outcome in outcomes:
                yield self._remove(trial, outcome)

    def stop(self, number: int | None = None, by_signal: bool = False) -> None:
        """Ask a trial's job to stop, or all jobs (None); after a signal, leave them if ``on_interrupt`` says so."""
        if number is None:
            # Jobs that are left need no waiting; jobs that are stopped do, even with wait=false.
            self._left = by_signal and self._options.on_interrupt == "leave"
            self._stopping = not self._left
        for trial in self._running.values():
            if number in (None, trial.number) and not self._left:
                self._request_stop(trial)

    def close(self) -> None:
        """Ask running jobs to stop, unless jobs are to be left."""
        if self._left or self._options.on_interrupt == "leave":
            return
        for trial in self._running.values():
            self._request_stop(trial)
            if self._outage:
                names = " ".join(left.job for left in self._running.values() if left.job and not left.stop_requested)
                print(
                    f"the stop of these jobs could not be requested, so they continue: {names}",
                    file=sys.stderr,
                    flush=True,
                )
                return

    def _request_stop(self, trial: RunningTrial) -> None:
        """Ask a trial's job to stop, once; if the service cannot be reached, the next poll tries again."""
        trial.unwanted = True
        if trial.job is not None and not trial.stop_requested:
            trial.stop_requested = self._reached(partial(self.jobs.stop, trial.job))
            if trial.stop_requested:
                self._record.add_stop_request(trial.job)

    def _reached(self, request: Callable[[], object]) -> bool:
        """Make a request; returns whether the service could be reached.

        Jobs do not depend on it, so the sweep continues: an outage is printed once, and later requests try again.
        """
        try:
            with aws_errors("reach the jobs"):
                request()
        except ServiceError as error:
            if not error.transient:
                raise
            if not self._outage:
                print(f"{error} (jobs continue; this is tried again)", file=sys.stderr, flush=True)
            self._outage = True
            return False
        self._outage = False
        return True

    def _poll(self, trial: RunningTrial, outcomes: list[Outcome]) -> None:
        """Append the outcome of a trial to a list if it has finished."""
        try:
            with aws_errors(f"poll trial {trial.number}"):
                outcome = self._outcome(trial)
        except ServiceError as error:
            if error.transient:
                raise
            # For instance a missing right: once it is granted, the same command finds the job again.
            outcome = Outcome(number=trial.number, state=TrialState.FAILED, reason=str(error))
        if outcome is not None:
            outcomes.append(outcome)

    def _outcome(self, trial: RunningTrial) -> Outcome | None:
        """Return the outcome of a trial; None if it has not finished."""
        if trial.job is None:
            return self._start_postponed(trial)
        if self.jobs.listed[trial.job].running:
            self._downloads.curves(trial.folder, trial.number, trial.prepared.digest)
            return None
        return self._collect(trial, self.jobs.describe(trial.job))

    def _start_postponed(self, trial: RunningTrial) -> Outcome | None:
        if time.monotonic() < trial.retry_at:
            return None
        try:
            self._starter.start(trial)
        except LabError as error:
            return Outcome(
                number=trial.number, state=TrialState.FAILED, reason=f"its job could not be started: {error}"
            )
        return None

    def _collect(self, trial: RunningTrial, description: Any) -> Outcome:
        options, digest = self._options, trial.prepared.digest
        bill = bill_of(description, options.prices, options.currency)
        outcome = collect_outcome(
            trial.number, trial.folder, description, bill, self._downloads, digest, trial.unwanted
        )
        if outcome.state == TrialState.DONE and not options.local:
            layout, experiment = self._sender.layout, self._sender.experiment
            log_run(self._connection, layout, experiment, run_name(trial.number, digest), trial.folder)
        return outcome

    def _leave(self) -> Iterator[Outcome]:
        """Stop following all trials; their jobs continue."""
        self._left = True
        for trial in list(self._running.values()):
            reason = NOT_SENT if trial.job is None else LEFT
            yield self._remove(
                trial, Outcome(number=trial.number, state=TrialState.STOPPED, reason=reason, detached=True)
            )

    def _remove(self, trial: RunningTrial, outcome: Outcome) -> Outcome:
        del self._running[trial.number]
        return outcome
