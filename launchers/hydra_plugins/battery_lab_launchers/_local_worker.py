"""Process of a local trial: ``python -m hydra_plugins.battery_lab_launchers._local_worker <file descriptor>``.

The launcher sends the trial on standard input, and reads its outcome from the pipe with that file descriptor. On Linux,
a template (``_template_process``) forks this process instead, with its imports done.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from collections.abc import Mapping
from typing import Any

PR_SET_PDEATHSIG = 1  # prctl(2)


def main() -> None:
    """Run the trial that the launcher sends."""
    end_with(os.getppid(), signal.SIGTERM)
    run_received_trial(sys.stdin.buffer.read(), int(sys.argv[1]))


def run_received_trial(content: bytes, outcome: int) -> None:
    """Run a trial and send its outcome.

    Args:
        content: pickled mapping of the job and its cores.
        outcome: file descriptor of the pipe for the outcome.
    """
    import cloudpickle

    from battery_lab.cli.error_messages import TRACEBACK_VARIABLE
    from battery_lab.cli.exit_on_error import exit_with_message
    from battery_lab.common.garbage_collection import exit_without_collection, postponed_collection
    from battery_lab.common.hide_optional_imports import import_lean

    # The main command sets it so that Hydra raises errors. Here an error is to be one line in the log.
    os.environ.pop(TRACEBACK_VARIABLE, None)
    # Safe to unpickle: the launcher has just written it.
    task: Mapping[str, Any] = cloudpickle.loads(content)
    if cores := task["cores"]:
        os.sched_setaffinity(0, cores)
    import_lean()
    exit_without_collection()
    with exit_with_message():
        with postponed_collection():
            from hydra_plugins.battery_lab_launchers._trial_job import run_trial_job

        result = run_trial_job(task["job"])
        with os.fdopen(outcome, "wb") as pipe:
            pipe.write(result)


def end_with(launcher: int, number: int) -> None:
    """Have this process receive a signal when its parent, the launcher, exits, even if that is killed.

    Args:
        launcher: process ID of the launcher.
        number: number of the signal.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, number)
        if os.getppid() != launcher:
            os.kill(os.getpid(), number)


if __name__ == "__main__":
    main()
