"""MLflow sender thread: sends the run folder in batches, and training never waits for it."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Mapping
from pathlib import Path

import battery_lab
from battery_lab.tracking import Status
from battery_lab.tracking.mlflow_run_sync import RunSync
from battery_lab.tracking.mlflow_sync_state import read_sync_state, write_sync_state
from battery_lab.tracking.public_address import public

SLOWEST_RETRY_S = 60.0


class MlflowSender:
    """Sends what is new in the run folder, every few seconds and at the end."""

    def __init__(self, sync: RunSync, flush_every_s: float, finish_within_s: float, at_once: bool = False) -> None:
        """Start the thread.

        Args:
            sync: the run folder and its store.
            flush_every_s: time between two batches.
            finish_within_s: the longest time that the end of a run waits for MLflow.
            at_once: whether the store has the run from its start on, before the first batch.
        """
        self._first_after_s = 0.0 if at_once else flush_every_s
        self._sync, self._flush_every_s, self._finish_within_s = sync, flush_every_s, finish_within_s
        self._end = threading.Event()
        self._status: Status | None = None
        self._reported = False
        # A daemon thread: a store that hangs must not keep the process alive.
        self._thread = threading.Thread(target=self._send_all, name="mlflow", daemon=True)
        self._thread.start()

    def log(self, metrics: Mapping[str, float], env_steps: int) -> None:
        """Do nothing: the thread reads the curves from the folder."""

    def finish(self, status: Status) -> None:
        """Send the rest, and wait for at most ``finish_within_s``."""
        self._status = status
        self._end.set()
        self._thread.join(self._finish_within_s)
        if self._thread.is_alive():
            self._store({"status": status})
            self._report(f"no answer within {self._finish_within_s:g} s")

    def _send_all(self) -> None:
        self._store({"status": None, **source_tags()})
        pause = self._first_after_s
        while not self._end.wait(pause):
            pause = self._flush_every_s if self._try(None) else min(2 * pause, SLOWEST_RETRY_S)
        self._store({"status": self._status})
        self._try(self._status)

    def _store(self, facts: Mapping[str, str | None]) -> None:
        folder = self._sync.folder
        try:
            write_sync_state(folder, {**read_sync_state(folder), **facts})
        except OSError as error:
            self._report(str(error))

    def _try(self, status: Status | None) -> bool:
        try:
            self._sync.send(status)
        except Exception as error:  # Training continues, whatever the store raises.
            self._report(reason(error, self._sync.address.uri))
            return False
        return True

    def _report(self, why: str) -> None:
        """Print once what happened and what to do."""
        if not self._reported:
            self._reported = True
            where, folder = public(self._sync.address.uri), self._sync.folder
            later = f"battery-lab sync run={folder}"
            line = f"MLflow at {where} cannot be reached ({why}); all results are kept, send them later with: {later}"
            print(line, file=sys.stderr, flush=True)


def source_tags() -> dict[str, str]:
    """Return the version of the lab, and its commit if it runs from a checkout."""
    tags = {"version": battery_lab.__version__}
    root = Path(battery_lab.__file__).resolve().parent.parent
    # An installed lab may lie inside another repository, whose commit says nothing about the lab.
    if (root / ".git").exists():
        command = ["git", "-C", str(root), "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=True)
        except (OSError, subprocess.SubprocessError):
            return tags
        tags["commit"] = done.stdout.strip()
    return tags


def reason(error: Exception, uri: str) -> str:
    """Return one line on why a store failed, without the credentials of its address."""
    text = (str(error).strip() or type(error).__name__).splitlines()[0]
    secret = uri.partition("://")[2].rpartition("@")[0]
    for hidden in (uri, secret, secret.partition(":")[2]):
        text = text.replace(hidden, "***") if hidden else text
    return text if len(text) <= 200 else text[:199] + "…"
