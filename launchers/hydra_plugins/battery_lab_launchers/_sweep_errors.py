"""Sweep errors: the final message of a sweep whose trials failed, or that a signal stopped."""

from __future__ import annotations

import os
import shlex
import signal
from collections.abc import Sequence
from pathlib import Path

from battery_lab.cli.error_messages import ExitMessage
from battery_lab.cli.exit_on_error import CommandExit
from battery_lab.common.errors import LabError
from battery_lab.sweep.interfaces import Trial
from battery_lab.sweep.journal import TrialState
from battery_lab.sweep.progress_display import differing_choices

MAX_REASONS = 5  # failures whose reason the error message includes


def failure_error(trials: Sequence[Trial]) -> LabError:
    """Return one error for all trials that failed or did not finish, with what to do."""
    failed = [trial for trial in trials if trial.entry.state == TrialState.FAILED]
    choices = differing_choices([trial.entry for trial in trials])
    reasons = [f"trial {t.number} ({choices[t.number]}): {t.entry.reason}" for t in failed[:MAX_REASONS]]
    more = [f"and {len(failed) - MAX_REASONS} more"] if len(failed) > MAX_REASONS else []
    unfinished = sum(not trial.entry.state.settled for trial in trials) - len(failed)
    rest = f"; {unfinished} others did not finish" if unfinished else ""
    folder = failed[0].folder.parent if failed else trials[0].folder.parent
    return LabError(
        f"{len(failed)} of {len(trials)} trials failed{rest}: {'; '.join([*reasons, *more])}. Their output is in "
        f"{folder}/<trial>/trial.log. The same command resumes the trials that are not done"
    )


def stop_error(number: int, folder: Path) -> CommandExit:
    """Return the error of a sweep that a signal stopped, with the command that resumes it."""
    command = f"battery-lab sweep.resume={shlex.quote(os.path.relpath(folder))}"
    message = f"stopped by {signal.Signals(number).name}; resume with: {command}"
    return CommandExit(ExitMessage(message, 128 + number), KeyboardInterrupt())
