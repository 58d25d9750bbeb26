"""What ends a command, said in one message that names what to change; errors of the lab's own keep their traceback."""

from __future__ import annotations

import errno
import os
import re
import shlex
import signal
from collections.abc import Sequence
from pathlib import Path

from omegaconf.errors import OmegaConfBaseException

from battery_lab.common.errors import ConfigError, LabError, causes
from battery_lab.common.run_folder import RunFolder
from battery_lab.common.signals import Stopped

ASK = "HYDRA_FULL_ERROR"  # a person sets it to 1 to see tracebacks; Hydra's own name for it
LOGIN = re.compile(r"://[^/\s]*@|https?://\S*\?")
NO_SPACE = (errno.ENOSPC, errno.EDQUOT)
NO_ACCESS = (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR)


Ending = tuple[str, int]  # the message and the exit status of a command


def wants_traceback() -> bool:
    """Return whether the person asked to see tracebacks."""
    return os.environ.get(ASK) == "1"


def told(error: BaseException, run: Path | None = None) -> Ending | None:
    """Return the message and exit status that an error ends a command with; None where the fault is not a person's.

    Args:
        error: what was raised.
        run: the run folder, if there is one to go on from.
    """
    from battery_lab.experiment.checkpoint import list_checkpoints
    from battery_lab.experiment.trainer import Interrupted

    again = f"go on with: {resume_command(run)}" if run and list_checkpoints(RunFolder(run).checkpoints) else ""
    for cause in causes(error):
        # A stop may come out as any error of what it broke off.
        if isinstance(cause, KeyboardInterrupt):
            return _told_stop(cause, again or ("no checkpoint was saved, so start again" if run else "start again"))
    if isinstance(error, LabError):
        return f"error: {error}", 1
    if isinstance(error, Interrupted):
        return f"{error}, with a checkpoint in {error.path}\n{again}", 128 + error.number
    if isinstance(error, OmegaConfBaseException):
        return f"error: {error.full_key} cannot be resolved: {str(error).splitlines()[0]}", 1
    for cause in causes(error):
        if isinstance(cause, OSError) and cause.errno in NO_SPACE:
            where = cause.filename or run or "the outputs"
            return f"error: no space left for {where}: free some, then {again or 'start again'}", 1
        if isinstance(cause, OSError) and cause.errno in NO_ACCESS and cause.filename:
            return f"error: {cause.filename}: {cause.strerror}. Choose another folder or file, or its rights", 1
    return None


def _told_stop(stop: KeyboardInterrupt, then: str) -> Ending:
    number = stop.number if isinstance(stop, Stopped) else signal.SIGINT
    return f"stopped at once by {signal.Signals(number).name}; {then}", 128 + number


def check_logins(arguments: Sequence[str]) -> None:
    """Raise ConfigError where an address carries a login or a query, before anything writes it down."""
    for argument in arguments:
        key, _, value = argument.partition("=")
        if LOGIN.search(value):
            raise ConfigError(
                f"{key} must not carry a user, password or query, which would be kept with the results: leave them out "
                "of the address; MLflow takes them from MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD"
            )


def resume_command(run: Path) -> str:
    """Return the command that goes on with a run, as it can be pasted."""
    here = Path.cwd()
    near = run.relative_to(here) if run.is_relative_to(here) else run
    return f"python -m battery_lab resume={shlex.quote(str(near))}"
