"""Error messages: one message and an exit status for each error that a user can fix, and for each signal."""

from __future__ import annotations

import errno
import os
import shlex
import signal
from pathlib import Path
from typing import NamedTuple

from battery_lab.common.errors import LabError, causes, shorten
from battery_lab.common.run_folder import RunFolder
from battery_lab.common.stop_signals import Stopped

TRACEBACK_VARIABLE = "HYDRA_FULL_ERROR"  # Hydra's own name: 1 shows tracebacks
NO_SPACE = (errno.ENOSPC, errno.EDQUOT)
NO_ACCESS = (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR)
NO_PATH = (errno.ENAMETOOLONG, errno.ELOOP, errno.EISDIR)


class ExitMessage(NamedTuple):
    """What a command prints when it fails, and its exit status."""

    text: str
    status: int


def shows_traceback() -> bool:
    """Return whether the user requests tracebacks."""
    return os.environ.get(TRACEBACK_VARIABLE) == "1"


def exit_message(error: BaseException, run: Path | None = None) -> ExitMessage | None:
    """Return how an error ends a command; None for an error that the user cannot fix.

    Args:
        error: the error.
        run: the run folder, whose checkpoint the run can be resumed from.
    """
    from omegaconf.errors import OmegaConfBaseException

    from battery_lab.experiment.checkpoint import list_checkpoints
    from battery_lab.experiment.trainer import Interrupted

    resume = f"resume with: {resume_command(run)}" if run and list_checkpoints(RunFolder(run).checkpoints) else ""
    for cause in causes(error):
        # A stop may surface as any error of the code that it interrupted.
        if isinstance(cause, KeyboardInterrupt):
            return _stop_message(cause, resume or ("no checkpoint was saved, so start again" if run else "start again"))
    if isinstance(error, LabError):
        return ExitMessage(f"error: {error}", 1)
    if isinstance(error, Interrupted):
        return ExitMessage(f"{error}, with a checkpoint in {error.path}\n{resume}", 128 + error.number)
    if isinstance(error, OmegaConfBaseException):
        return ExitMessage(f"error: {error.full_key} cannot be resolved: {str(error).splitlines()[0]}", 1)
    return _disk_message(error, run, resume or "start again")


def _stop_message(stop: KeyboardInterrupt, then: str) -> ExitMessage:
    number = stop.number if isinstance(stop, Stopped) else signal.SIGINT
    return ExitMessage(f"stopped at once by {signal.Signals(number).name}; {then}", 128 + number)


def _disk_message(error: BaseException, run: Path | None, then: str) -> ExitMessage | None:
    for cause in causes(error):
        if isinstance(cause, OSError) and cause.errno in NO_SPACE:
            where = cause.filename or run or "the outputs"
            return ExitMessage(f"error: no space left for {where}: free some space, then {then}", 1)
        if isinstance(cause, OSError) and cause.errno in (*NO_ACCESS, *NO_PATH) and cause.filename:
            remedy = "Choose another folder or file, or change its permissions"
            return ExitMessage(f"error: {shorten(str(cause.filename))}: {cause.strerror}. {remedy}", 1)
    return None


def resume_command(run: Path) -> str:
    """Return the command that resumes a run, as it can be pasted."""
    here = Path.cwd()
    near = run.relative_to(here) if run.is_relative_to(here) else run
    return f"battery-lab resume={shlex.quote(str(near))}"
