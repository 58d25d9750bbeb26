"""What a Ray worker does with a trial; importable by name on every node, so that no code travels."""

from __future__ import annotations

import os
import signal
import threading
import time
from pathlib import Path
from typing import Any

STOP, STOPPED = ".stop", b"stopped"
LOG = "trial.log"


def run_trial(content: bytes) -> bytes:
    """Run a trial that the launcher of a sweep sent.

    Args:
        content: the trial, pickled by itself, its folder and the digest of the lab's source.

    Returns:
        What ``_job.ending`` reads, or ``STOPPED``.

    Raises:
        LabError: this node does not see the trial's folder, or has another lab.
    """
    import cloudpickle

    from battery_lab.cli.command_exit import CommandExit
    from battery_lab.common.errors import LabError
    from battery_lab.common.signals import stop_at_once
    from battery_lab.sweep.trial_id import source_digest

    # From the launcher, over a connection that Ray's token guards.
    sent: dict[str, Any] = cloudpickle.loads(content)
    folder, node = Path(sent["folder"]), os.uname().nodename
    if not folder.is_dir():
        raise LabError(f"{node} does not see {folder}: put outputs= on storage that all nodes of the cluster share")
    if source_digest() != sent["source"]:
        raise LabError(f"{node} has another lab, or other packages of it, than the launcher: install the same there")
    _write_to(folder / LOG)
    try:
        with stop_at_once():
            # Not before: what asks Ray's own worker to stop ends it without a word.
            threading.Thread(target=_watch, args=(folder / STOP,), daemon=True).start()
            from hydra_plugins.battery_lab_launchers._trial_job import run

            return run(cloudpickle.loads(sent["job"]))
    except CommandExit as command_exit:
        if command_exit.exit_message.status < 128:
            raise
        print(command_exit.exit_message.text, flush=True)
    except KeyboardInterrupt as stop:
        print(stop, flush=True)
    return STOPPED


def _write_to(log: Path) -> None:
    """Have all that this process prints go to a file, as Ray would mix it with what others print."""
    handle = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    for stream in (1, 2):
        os.dup2(handle, stream)
    os.close(handle)


def _watch(path: Path) -> None:
    """Stop the trial, with a checkpoint if it trains, once the launcher asks for it in the folder."""
    while not path.exists():
        time.sleep(0.5)
    os.kill(os.getpid(), signal.SIGTERM)
