"""Sweep commands from another shell: show the status, retry trials, collect results, print logs."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
from filelock import FileLock, Timeout
from rich.console import Console

from battery_lab.common.atomic_write import atomic_write
from battery_lab.common.errors import ConfigError
from battery_lab.common.run_folder import RunFolder
from battery_lab.config.sweep_command import load_command
from battery_lab.sweep.interfaces import RemoteJobs
from battery_lab.sweep.journal import JOURNAL, Entry, Journal, TrialState
from battery_lab.sweep.progress_table import count_states, trial_table
from battery_lab.sweep.trial_folder import ProgressReader, is_locked, read_metrics

RESULTS = "results.csv"


def _read_journal(folder: Path) -> Journal:
    if not (folder / JOURNAL).is_file():
        raise ConfigError(f"{folder} must be the folder of a sweep, but it has no {JOURNAL}")
    journal = Journal(folder)
    journal.read()
    return journal


def status(folder: Path) -> None:
    """Print the trials of a sweep."""
    journal = _read_journal(folder)
    is_running = is_locked(folder)
    entries = [_current(entry, is_running) for entry in journal.entries.values()]
    console = Console()
    console.print(trial_table([(entry, _progress(folder, entry).read(), entry.budget) for entry in entries]))
    state = "is running" if is_running else "is not running"
    console.print(f"{folder} {state}: {count_states(entries)}", soft_wrap=True, highlight=False, markup=False)


def _trial_folder(folder: Path, entry: Entry) -> Path:
    return folder / (entry.folder or str(entry.number))


def _progress(folder: Path, entry: Entry) -> ProgressReader:
    return ProgressReader(_trial_folder(folder, entry), entry.started_at or 0.0)


def _current(entry: Entry, is_running: bool) -> Entry:
    """Return the entry to show: no trial runs after its sweep was killed."""
    if entry.state == TrialState.RUNNING and not is_running:
        return replace(entry, state=TrialState.STOPPED, reason="its sweep was killed")
    return entry


def retry(folder: Path, numbers: Sequence[int]) -> None:
    """Retry trials that failed or were stopped.

    A running sweep starts them itself. Otherwise this process is replaced by the command that resumes the sweep.

    Args:
        folder: folder of the sweep.
        numbers: numbers of trials. Empty: all that failed.

    Raises:
        ConfigError: a trial does not exist, or has neither failed nor been stopped.
    """
    journal = _read_journal(folder)
    failed = [n for n, entry in journal.entries.items() if entry.state == TrialState.FAILED]
    for number in numbers:
        state = journal.entries[number].state if number in journal.entries else None
        if state not in (TrialState.FAILED, TrialState.STOPPED):
            problem = f"is {state}" if state else "is not in the sweep"
            raise ConfigError(f"trial {number} {problem}: retry takes trials that failed ({failed}) or were stopped")
    requested = list(numbers) or failed
    if not requested:
        print(f"no trial of {folder} has failed")
        return
    for number in requested:
        journal.request_retry(number)
    trials = f"trial{'s' * (len(requested) > 1)} {', '.join(map(str, requested))}"
    if is_locked(folder):
        print(f"the running sweep in {folder} retries {trials}")
        return
    print(f"resuming the sweep in {folder}, which retries {trials}", flush=True)
    _, directory = load_command(folder)
    command = [sys.executable, "-m", "battery_lab", f"sweep.resume={folder.resolve()}"]
    if directory is not None:
        os.chdir(directory)
    # Replaces this process, so that Ctrl-C reaches the sweep only.
    os.execv(sys.executable, command)


def collect(folder: Path, remote: RemoteJobs | None = None) -> None:
    """Write ``results.csv`` to a sweep's folder: one row per trial, with its overrides and metrics.

    Args:
        folder: folder of the sweep.
        remote: the sweep's jobs on another service, whose results are downloaded first. None: there are none.

    Raises:
        ConfigError: the folder is not that of a sweep, or its running launcher downloads the results already.
    """
    journal = _read_journal(folder)
    if remote is not None:
        try:
            with FileLock(folder / RunFolder.LOCK, timeout=0):
                remote.collect(folder, journal)
        except Timeout:
            raise ConfigError(
                f"{folder} is in use by a running command, which downloads the results: wait until it ends"
            ) from None
    rows = [_row(folder, entry) for entry in journal.entries.values()]
    path = folder / RESULTS
    atomic_write(path, pd.DataFrame(rows).to_csv(index=False))
    done = sum(entry.state.settled for entry in journal.entries.values())
    print(f"{path}: {done} of {len(rows)} trials are done")


def logs(folder: Path, number: int, remote: RemoteJobs | None = None) -> None:
    """Print the output of a trial. The log of a remote job is followed until the job ends.

    Raises:
        ConfigError: there is no such trial, or it has no output yet.
    """
    journal = _read_journal(folder)
    if number not in journal.entries:
        raise ConfigError(f"trial {number} is not in the sweep, which has {sorted(journal.entries)}")
    path = RunFolder(_trial_folder(folder, journal.entries[number])).log
    # The downloaded log of a failed job is not that of the next attempt.
    if remote is not None and not (path.is_file() and journal.entries[number].state.settled):
        remote.logs(folder, number)
        return
    if not path.is_file():
        raise ConfigError(f"trial {number} has no output yet: there is no {path}")
    with path.open(errors="replace") as file:
        shutil.copyfileobj(file, sys.stdout)


def _row(folder: Path, entry: Entry) -> Mapping[str, Any]:
    choices = dict(choice.lstrip("+~").partition("=")[::2] for choice in entry.choices)
    metrics = read_metrics(_trial_folder(folder, entry)) or {}
    columns = {"trial": entry.number, "state": str(entry.state), "reason": entry.reason, "source": entry.source}
    # Environment steps come from the curves, since pruned trials have no metrics.
    columns |= {"result": entry.result, "env_steps": _progress(folder, entry).read().env_steps}
    return {**columns, **{f"choice.{key}": value for key, value in choices.items()}, **metrics}
