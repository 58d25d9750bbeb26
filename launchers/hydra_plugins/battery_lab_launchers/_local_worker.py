"""Process of a local trial: ``python -m hydra_plugins.battery_lab_launchers._local_worker <file descriptor>``.

The launcher sends the trial on standard input, and reads its outcome from the pipe with that file descriptor.
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
    """Run the trial and send its outcome."""
    _stop_with(os.getppid())
    import cloudpickle

    from battery_lab.cli.error_messages import TRACEBACK_VARIABLE
    from battery_lab.cli.exit_on_error import exit_with_message
    from battery_lab.common.garbage_collection import exit_without_collection, postponed_collection
    from battery_lab.common.hide_optional_imports import import_lean

    # The main command sets it so that Hydra raises errors. Here an error is to be one line in the log.
    os.environ.pop(TRACEBACK_VARIABLE, None)
    # Safe to unpickle: the parent process has just written it.
    task: Mapping[str, Any] = cloudpickle.load(sys.stdin.buffer)
    if cores := task["cores"]:
        os.sched_setaffinity(0, cores)
    import_lean()
    exit_without_collection()
    with exit_with_message():
        with postponed_collection():
            from hydra_plugins.battery_lab_launchers._trial_job import run_trial_job

        outcome = run_trial_job(task["job"])
        with os.fdopen(int(sys.argv[1]), "wb") as pipe:
            pipe.write(outcome)


def _stop_with(parent: int) -> None:
    """Have this process receive SIGTERM when the launcher exits, even if it is killed."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != parent:
            os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    main()
