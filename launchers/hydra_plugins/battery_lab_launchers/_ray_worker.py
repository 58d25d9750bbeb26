"""Ray worker: the remote function that runs a trial. Nodes import it by name, so that no code is sent."""

from __future__ import annotations

import os
import signal
import threading
import time
from pathlib import Path
from typing import Any

STOP_FILE, STOPPED = ".stop", b"stopped"


def run_received_trial(content: bytes) -> bytes:
    """Run a trial that the launcher of a sweep sent.

    Args:
        content: pickled mapping of the pickled job, the trial's folder and the launcher's source digest.

    Returns:
        The outcome for ``_trial_job.read_outcome``, or ``STOPPED``.

    Raises:
        LabError: this node cannot access the trial's folder, or has another version of the lab.
    """
    import cloudpickle

    from battery_lab.cli.exit_on_error import CommandExit
    from battery_lab.common.errors import LabError
    from battery_lab.common.run_folder import RunFolder
    from battery_lab.common.stop_signals import stop_at_once
    from battery_lab.sweep.lab_version import lab_source_digest

    # Safe to unpickle: it comes from the launcher, over a connection that Ray's token protects.
    message: dict[str, Any] = cloudpickle.loads(content)
    folder, node = Path(message["folder"]), os.uname().nodename
    if not folder.is_dir():
        raise LabError(f"{node} cannot access {folder}: put outputs= on storage that all nodes of the cluster share")
    if lab_source_digest() != message["source"]:
        raise LabError(
            f"{node} has another version of the lab or its packages than the launcher: install the same version there"
        )
    _redirect_output(RunFolder(folder).log)
    try:
        with stop_at_once():
            # Only now: until here, SIGTERM would end Ray's worker without an outcome.
            threading.Thread(target=_watch, args=(folder / STOP_FILE,), daemon=True).start()
            from hydra_plugins.battery_lab_launchers._trial_job import run_trial_job

            return run_trial_job(cloudpickle.loads(message["job"]))
    except CommandExit as command_exit:
        if command_exit.exit_message.status < 128:
            raise
        print(command_exit.exit_message.text, flush=True)
    except KeyboardInterrupt as interrupt:
        print(interrupt, flush=True)
    return STOPPED


def _redirect_output(log: Path) -> None:
    """Redirect the output of this process to a file. Ray would mix it with the output of other workers."""
    handle = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    for stream in (1, 2):
        os.dup2(handle, stream)
    os.close(handle)


def _watch(stop_file: Path) -> None:
    """Send SIGTERM to this process when the launcher creates the stop file."""
    while not stop_file.exists():
        time.sleep(0.5)
    os.kill(os.getpid(), signal.SIGTERM)
