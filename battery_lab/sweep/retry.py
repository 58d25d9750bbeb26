"""Retry: trials of a sweep that failed or were stopped run again, in the running sweep or by resuming it."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path

from battery_lab.common.errors import ConfigError
from battery_lab.config.stored_sweep_command import load_command
from battery_lab.sweep.journal import Journal, TrialState
from battery_lab.sweep.trial_folder import is_locked


def retry(folder: Path, numbers: Sequence[int]) -> None:
    """Retry trials that failed or were stopped.

    A running sweep starts them itself. Otherwise this process is replaced by the command that resumes the sweep.

    Args:
        folder: folder of the sweep.
        numbers: numbers of trials. Empty: all that failed.

    Raises:
        ConfigError: a trial does not exist, or has neither failed nor been stopped.
    """
    journal = Journal.of_sweep(folder)
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
