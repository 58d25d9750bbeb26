"""The process of a trial: ``python -m hydra_plugins.battery_lab_launchers._local_worker <number of a pipe>``.

The launcher that starts it sends the trial on standard input and reads what became of it from the pipe.
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
    """Run the trial and say how it ended."""
    _stop_with(os.getppid())
    import cloudpickle

    from battery_lab.cli.command_exit import exit_with_message
    from battery_lab.cli.error_messages import TRACEBACK_VARIABLE

    # The command above sets it to have Hydra raise what goes wrong; here a mistake is to be one line of the log.
    os.environ.pop(TRACEBACK_VARIABLE, None)
    # Written a moment ago by the process that started this one.
    task: Mapping[str, Any] = cloudpickle.load(sys.stdin.buffer)
    if cores := task["cores"]:
        os.sched_setaffinity(0, cores)
    with exit_with_message():
        from hydra_plugins.battery_lab_launchers._trial_job import run

        told = run(task["job"])
        with os.fdopen(int(sys.argv[1]), "wb") as pipe:
            pipe.write(told)


def _stop_with(parent: int) -> None:
    """Have this process stop, with a checkpoint if it trains, once the launcher is gone, which may be killed."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != parent:
            os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    main()
