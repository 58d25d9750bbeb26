"""SageMaker part of `battery-lab sweep collect` and `sweep logs`: collect finished trials and follow logs of jobs."""

from __future__ import annotations

import sys
import time
from pathlib import Path

from hydra_plugins.battery_lab_launchers._rehearsal_emulator import rehearse
from hydra_plugins.battery_lab_launchers._sweep_end_tracking import is_finished, record_sweep_end
from sagemaker_jobs.aws.cloudwatch_logs import log_streams, read_log_lines
from sagemaker_jobs.aws.connection import Connection, check_extra
from sagemaker_jobs.aws.errors import aws_errors
from sagemaker_jobs.collect.download_and_outcome import collect_outcome
from sagemaker_jobs.collect.downloads import Downloads
from sagemaker_jobs.collect.experiments_upload import log_run, run_name
from sagemaker_jobs.collect.job_bills import bill_of
from sagemaker_jobs.collect.sweep_record import SweepRecord
from sagemaker_jobs.submit.training_jobs import RUNNING, TrainingJobs

from battery_lab.common.errors import ConfigError, LabError
from battery_lab.config.stored_trial import load_trial
from battery_lab.sweep.interfaces import Outcome
from battery_lab.sweep.journal import Journal, TrialState

POLL_S = 3.0


def collect(folder: Path, journal: Journal) -> None:
    """Download the results of finished jobs, and add them to the journal and the store of trials.

    Args:
        folder: the folder of the sweep.
        journal: the journal of the sweep, read.
    """
    record, connection = _open(folder)
    jobs = TrainingJobs(connection, record.layout.name_prefix)
    downloads = Downloads(connection, record.layout, record.evaluated_run)
    with aws_errors("list the jobs"):
        jobs.refresh()
    for number, (job, digest) in sorted(record.jobs.items()):
        entry = journal.entries.get(number)
        if entry is None:
            continue
        trial = folder / (entry.folder or str(number))
        if not entry.state.settled:
            try:
                outcome = _collect_trial(record, jobs, downloads, number, trial)
            except LabError as error:
                print(f"trial {number}: {error}", file=sys.stderr)
                continue
            if outcome is None:
                print(f"trial {number}: {job} is still running")
                continue
            journal.record_outcome(number, outcome.state, outcome.result, outcome.reason, outcome.raised)
            print(f"trial {number}: {outcome.state}{f', {outcome.reason}' if outcome.reason else ''}")
            if outcome.state != TrialState.DONE:
                continue
        # Also for trials that are done and could not be logged before.
        log_run(connection, record.layout, record.experiment, run_name(number, digest), trial)
    _track(folder, journal)


def _collect_trial(
    record: SweepRecord, jobs: TrainingJobs, downloads: Downloads, number: int, trial: Path
) -> Outcome | None:
    """Download what a trial's job has left so far; returns the outcome of the trial, None while the job is running."""
    job, digest = record.jobs[number]
    with aws_errors(f"download the results of trial {number}"):
        listed = jobs.listed.get(job)
        if listed is not None and listed.running:
            downloads.curves(trial, number, digest)
            return None
        description = jobs.describe(job)
        bill = bill_of(description, record.prices, record.currency)
        return collect_outcome(number, trial, description, bill, downloads, digest, job in record.stop_requested)


def _open(folder: Path) -> tuple[SweepRecord, Connection]:
    check_extra()
    record = SweepRecord.read(folder)
    if record.rehearsal is not None:
        rehearse(record.rehearsal, record.layout.bucket)
    return record, Connection(record.region, record.layout.bucket)


def _track(folder: Path, journal: Journal) -> None:
    trials = {entry.number: folder / (entry.folder or str(entry.number)) for entry in journal.entries.values()}
    done = [trials[entry.number] for entry in journal.entries.values() if is_finished(entry, trials[entry.number])]
    if done:
        record_sweep_end(load_trial(done[0]), journal, done, stopped=False)


def logs(folder: Path, number: int) -> None:
    """Print what a trial's job prints, host after host, until it ends.

    Raises:
        ConfigError: the trial has no job.
    """
    record, connection = _open(folder)
    if number not in record.jobs:
        raise ConfigError(f"trial {number} must be a trial that has a job, which are {sorted(record.jobs)}")
    jobs, followed = TrainingJobs(connection, record.layout.name_prefix), None
    # The sweep may start another attempt meanwhile.
    while (job := SweepRecord.read(folder).jobs[number][0]) != followed:
        with aws_errors(f"read the log of {job}"):
            _follow(connection, jobs, job)
        followed = job


def _follow(connection: Connection, jobs: TrainingJobs, job: str) -> None:
    positions = dict[str, str | None]()
    while True:
        # Before the log is read, so that all lines of a finished job are printed.
        description = jobs.describe(job)
        for stream in log_streams(connection, job):
            lines, positions[stream] = read_log_lines(connection, stream, positions.get(stream))
            for line in lines:
                print(line, flush=True)
        if description["TrainingJobStatus"] not in RUNNING:
            print(f"--- {job}: {description['TrainingJobStatus']} {description.get('FailureReason') or ''}".rstrip())
            return
        time.sleep(POLL_S)
