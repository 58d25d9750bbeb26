"""Where a SageMaker training job begins: the toolkit runs this file, from the archive that the launcher sent.

It stands at the door for the trial, which runs below it in a session of its own. The wish to stop reaches all processes
of a container at once; passed on to the trial alone, it leaves alive what the trial needs to save a checkpoint.
"""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent


def main() -> int:
    """Run the trial; returns its exit status."""
    # Held back until there is somebody to pass it on to.
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
