"""Entry point of a SageMaker training job: the toolkit runs this file from the archive that the launcher uploaded.

The trial runs in a child process with a session of its own. The service sends SIGTERM to all processes of a container;
this process passes it to the trial alone, so that the processes which the trial needs to save a checkpoint stay alive.
"""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent


def main() -> int:
    """Run the trial; returns its exit status."""
    # Blocked until the trial exists, which the signal is passed to.
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    trial = subprocess.Popen(
        [sys.executable, "-m", "sagemaker_jobs.container.run_trial"],
        cwd=HERE,
        start_new_session=True,
        preexec_fn=lambda: signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM}),
    )
    signal.signal(signal.SIGTERM, lambda number, _: trial.send_signal(number))
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
    status = trial.wait()
    return 128 - status if status < 0 else status


if __name__ == "__main__":
    sys.exit(main())
