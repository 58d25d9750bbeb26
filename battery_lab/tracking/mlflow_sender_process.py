"""MLflow sender process: sends the run folder from a process of its own, whose imports do not slow down training.

The process receives the run as one line of JSON and the status of the finished run as another. If its input ends
without a status, the run was killed: it stops, and the store still holds the run as running.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import IO, Any

import battery_lab
from battery_lab.tracking import Status
from battery_lab.tracking.mlflow_connection import Address
from battery_lab.tracking.mlflow_run_sync import RunSync
from battery_lab.tracking.mlflow_sender_thread import MlflowSender
from battery_lab.tracking.public_address import public

EXIT_S = 5.0  # time that the process has to exit after its last message


class MlflowSenderProcess:
    """A run that a process of its own sends to MLflow: every few seconds and at the end."""

    def __init__(self, sync: RunSync, flush_every_s: float, finish_within_s: float) -> None:
        """Start the process.

        Args:
            sync: the run folder and its store.
            flush_every_s: time between two batches.
            finish_within_s: the longest time that the end of a run waits for MLflow.
        """
        self._sync, self._finish_within_s = sync, finish_within_s
        search = os.pathsep.join([str(Path(battery_lab.__file__).parents[1]), os.environ.get("PYTHONPATH", "")])
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", __name__],  # -P: nothing is imported from the working directory
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": search.rstrip(os.pathsep)},
            start_new_session=True,  # Ctrl-C stops the run, which then sends its status.
        )
        self._messages = threading.Thread(target=self._print_messages, name="mlflow messages", daemon=True)
        self._messages.start()
        run = {"folder": str(sync.folder.resolve()), "name": sync.name, "config": sync.config}
        waits = {"flush_every_s": flush_every_s, "finish_within_s": finish_within_s}
        self._write({**run, **waits, "address": asdict(sync.address)})

    def log(self, metrics: Mapping[str, float], env_steps: int) -> None:
        """Do nothing: the process reads the curves from the folder."""

    def finish(self, status: Status) -> None:
        """Have the rest sent, and wait for at most ``finish_within_s``."""
        self._write({"status": status})
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(self._finish_within_s + EXIT_S)
        self._process.kill()
        self._messages.join(EXIT_S)
        if self._process.wait():
            self._report_failure()

    def _write(self, message: Mapping[str, Any]) -> None:
        with suppress(OSError, ValueError):  # The process has ended; finish() says so.
            pipe: IO[str] = self._process.stdin  # type: ignore[assignment]
            pipe.write(json.dumps(message) + "\n")
            pipe.flush()

    def _print_messages(self) -> None:
        # This process prints them, so that they do not tear its progress bar.
        messages: IO[str] = self._process.stderr  # type: ignore[assignment]
        for line in messages:
            print(line, end="", file=sys.stderr, flush=True)

    def _report_failure(self) -> None:
        where, folder = public(self._sync.address.uri), self._sync.folder
        print(
            f"The process that sends to MLflow at {where} ended with status {self._process.returncode}; all results "
            f"are kept, send them with: battery-lab sync run={folder}",
            file=sys.stderr,
            flush=True,
        )


def main() -> None:
    """Send the run that standard input names until its status arrives."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    run = json.loads(sys.stdin.readline())
    sync = RunSync(Path(run["folder"]), run["name"], run["config"], Address(**run["address"]))
    sender = MlflowSender(sync, run["flush_every_s"], run["finish_within_s"], at_once=True)
    if line := sys.stdin.readline():
        sender.finish(json.loads(line)["status"])


if __name__ == "__main__":
    main()
