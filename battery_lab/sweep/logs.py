"""Logs: the output of a trial of a sweep, printed from any shell."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from battery_lab.common.errors import ConfigError
from battery_lab.common.run_folder import RunFolder
from battery_lab.sweep.interfaces import RemoteJobs
from battery_lab.sweep.journal import Journal


def logs(folder: Path, number: int, remote: RemoteJobs | None = None) -> None:
    """Print the output of a trial. The log of a remote job is followed until the job ends.

    Raises:
        ConfigError: there is no such trial, or it has no output yet.
    """
    journal = Journal.of_sweep(folder)
    if number not in journal.entries:
        raise ConfigError(f"trial {number} is not in the sweep, which has {sorted(journal.entries)}")
    path = RunFolder(journal.trial_folder(journal.entries[number])).log
    # The downloaded log of a failed job is not that of the next attempt.
    if remote is not None and not (path.is_file() and journal.entries[number].state.settled):
        remote.logs(folder, number)
        return
    if not path.is_file():
        raise ConfigError(f"trial {number} has no output yet: there is no {path}")
    with path.open(errors="replace") as file:
        shutil.copyfileobj(file, sys.stdout)
