"""A sweep whose trials run elsewhere, from another shell: what is done is brought home, and logs are followed."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hydra_plugins.battery_lab_launchers._sagemaker_rehearsal import rehearse
from hydra_plugins.battery_lab_launchers._tracking import has_ended, track
from sagemaker_jobs.aws.connection import Connection, check_extra
from sagemaker_jobs.aws.errors import told
from sagemaker_jobs.aws.experiments import log_run, run_name
from sagemaker_jobs.aws.logs import next_lines, streams
from sagemaker_jobs.collect.job_record import Record
from sagemaker_jobs.collect.outcome import came_to, ended
from sagemaker_jobs.collect.results import Home
from sagemaker_jobs.submit.training_jobs import UNDER_WAY, Jobs

from battery_lab.common.errors import ConfigError, LabError
from battery_lab.config.stored_trial import load_trial
from battery_lab.sweep.journal import Journal, State

LOOK_S = 3.0


def collect(folder: Path, journal: Journal) -> None:
    """Bring home what is done, note it in the journal, and tell the store of trials.

    Args:
        folder: of the sweep.
        journal: of the sweep, read.
    """
    record, connection = _opened(folder)
    jobs, way = Jobs(connection, record.places.lead), Home(connection, record.places, record.judged)
    with told("look at the jobs"):
        jobs.look()
    for number, (name, who) in sorted(record.jobs.items()):
        entry = journal.entries.get(number)
        if entry is None:
            continue
        place = folder / (entry.folder or str(number))
        if entry.state.settled:
            # Also what could not be sent before.
            log_run(connection, record.places, record.experiment, run_name(number, who), place)
            continue
        try:
            with told(f"bring trial {number} home"):
                seen = jobs.seen.get(name)
                if seen is not None and seen.under_way:
                    way.curves(place, number, who)
                    print(f"trial {number}: {name} goes on")
                    continue
                about = jobs.describe(name)
                cost = came_to(about, record.prices, record.currency)
                ending = ended(number, place, about, cost, way, who, name in record.asked)
        except LabError as error:
            # The others come home all the same.
            print(f"trial {number}: {error}", file=sys.stderr)
            continue
        journal.record_outcome(number, ending.state, ending.result, ending.reason, ending.raised)
        if ending.state == State.DONE:
            log_run(connection, record.places, record.experiment, run_name(number, who), place)
        print(f"trial {number}: {ending.state}{f', {ending.reason}' if ending.reason else ''}")
    _track(folder, journal)


def _opened(folder: Path) -> tuple[Record, Connection]:
    check_extra()
    record = Record.read(folder)
    if record.rehearsal is not None:
        rehearse(record.rehearsal, record.places.bucket)
    return record, Connection(record.region, record.places.bucket)


def _track(folder: Path, journal: Journal) -> None:
    places = {entry.number: folder / (entry.folder or str(entry.number)) for entry in journal.entries.values()}
    done = [places[entry.number] for entry in journal.entries.values() if has_ended(entry, places[entry.number])]
    if done:
        track(load_trial(done[0]), journal, done, stopped=False)


def logs(folder: Path, number: int) -> None:
    """Print what a trial's job prints, host after host, until it ends.

    Raises:
        ConfigError: there is no such job.
    """
    record, connection = _opened(folder)
    if number not in record.jobs:
        raise ConfigError(f"trial {number} must be one of those that were sent, {sorted(record.jobs)}")
    jobs, followed = Jobs(connection, record.places.lead), None
    # Another attempt may be begun meanwhile.
    while (name := Record.read(folder).jobs[number][0]) != followed:
        with told(f"read the log of {name}"):
            _follow(connection, jobs, name)
        followed = name


def _follow(connection: Connection, jobs: Jobs, name: str) -> None:
    tokens = dict[str, str | None]()
    while True:
        about: Mapping[str, Any] = jobs.describe(name)
        for stream in streams(connection, name):
            tokens[stream] = _print_news(connection, stream, tokens.get(stream))
        if about["TrainingJobStatus"] not in UNDER_WAY:
            print(f"--- {name}: {about['TrainingJobStatus']} {about.get('FailureReason') or ''}".rstrip())
            return
        time.sleep(LOOK_S)


def _print_news(connection: Connection, stream: str, token: str | None) -> str | None:
    while True:
        lines, after = next_lines(connection, stream, token)
        for line in lines:
            print(line, flush=True)
        if after == token:
            return token
        token = after
