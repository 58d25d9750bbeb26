"""Sweep journal: one JSON line per event, append-only, safe for several processes.

    {"event": "added", "number": 0, "identity": "...", "source": "...", "choices": ["algo=ppo"], "at": 1790000000.0}
    {"event": "started", "number": 0, "folder": "0", "budget": 2000000, "env_steps": 0, "at": ...}
    {"event": "finished", "number": 0, "state": "done", "result": 0.54, "reason": null, "raised": false, "at": ...}
    {"event": "retry", "number": 0, "at": ...}

A kill at any byte loses at most the line that was being written. Readers skip lines that they cannot parse, and the
next event starts on a new line.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import Any

from battery_lab.common.errors import ConfigError, DataError

JOURNAL = "journal.jsonl"
# Event names of earlier versions, whose journals must stay readable.
OLD_EVENTS = {"listed": "added", "begun": "started", "ended": "finished", "again": "retry"}  # codespell:ignore begun


class TrialState(StrEnum):
    """State of a trial, as written in the journal and shown in tables."""

    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"
    PRUNED = "pruned"  # stopped early by a search
    STOPPED = "stopped"  # stopped by the user, together with the sweep
    FAILED = "failed"

    @property
    def settled(self) -> bool:
        """Whether nothing is left to do."""
        return self in (TrialState.DONE, TrialState.PRUNED)


@dataclass(frozen=True, kw_only=True)
class Entry:
    """The journal's record of a trial.

    Attributes:
        number: number of the trial in its sweep, from 0. Also the name of its folder.
        identity: digest of its configuration and data.
        source: digest of the lab's source and packages that the trial runs with.
        choices: its overrides, as on the command line.
        state: current state. RUNNING also if the trial was killed together with the sweep.
        tries: number of attempts so far.
        folder: run folder, relative to the sweep's folder. Empty: not started yet.
        budget: environment steps to train. None: unknown.
        env_steps: environment steps that the last attempt resumed from.
        result: return value. None: not done.
        reason: why it failed. None: it did not.
        raised: whether the trial itself raised an error, rather than being killed from outside.
        started_at: start of the last attempt in Unix seconds. None: not started yet.
        finished_at: end of the last attempt in Unix seconds. None: not finished.
    """

    number: int
    identity: str
    source: str
    choices: tuple[str, ...]
    state: TrialState = TrialState.WAITING
    tries: int = 0
    folder: str = ""
    budget: int | None = None
    env_steps: int = 0
    result: Any = None
    reason: str | None = None
    raised: bool = False
    started_at: float | None = None
    finished_at: float | None = None


class Journal:
    """Reads and appends the events of a sweep. Several processes may use one journal at a time."""

    def __init__(self, folder: Path, dry: bool = False) -> None:
        """Prepare the journal of a sweep. Nothing is written before the first event.

        Args:
            folder: folder of the sweep.
            dry: whether to keep events in memory only.
        """
        self.folder, self.path, self._dry = folder, folder / JOURNAL, dry
        self.entries: dict[int, Entry] = {}
        self._retry_requests: list[int] = []
        self._offset = 0

    @classmethod
    def of_sweep(cls, folder: Path) -> Journal:
        """Return the journal of an existing sweep, with all events read.

        Raises:
            ConfigError: the folder is not that of a sweep.
        """
        if not (folder / JOURNAL).is_file():
            raise ConfigError(f"{folder} must be the folder of a sweep, but it has no {JOURNAL}")
        journal = cls(folder)
        journal.read()
        return journal

    def trial_folder(self, entry: Entry) -> Path:
        """Return the run folder of a trial."""
        return self.folder / (entry.folder or str(entry.number))

    def read(self) -> None:
        """Read the events that any process appended since the last call.

        Raises:
            DataError: the file cannot be read.
        """
        for event in self._new_events():
            # Skip events with missing or wrong fields, which another program wrote.
            with suppress(KeyError, TypeError, ValueError):
                self._apply(event)

    def take_retry_requests(self) -> list[int]:
        """Return the numbers of trials for which a retry was requested since the last call."""
        self.read()
        requests, self._retry_requests = self._retry_requests, []
        return requests

    @property
    def next_number(self) -> int:
        """Number of the next new trial."""
        return max(self.entries, default=-1) + 1

    def add_trial(self, identity: str, source: str, choices: Sequence[str]) -> Entry:
        """Add a trial, or reset a known one that is to run with another source. A known trial keeps its number."""
        known = self.find(identity)
        number = known.number if known else self.next_number
        self._append("added", number, identity=identity, source=source, choices=list(choices))
        return self.entries[number]

    def record_start(self, number: int, folder: Path, budget: int | None, env_steps: int) -> Entry:
        """Record that an attempt starts.

        Args:
            number: number of the trial.
            folder: run folder of the trial.
            budget: environment steps to train. None: unknown.
            env_steps: environment steps of the checkpoint that it resumes from. 0: it starts over.
        """
        relative = os.path.relpath(folder, self.folder)
        self._append("started", number, folder=relative, budget=budget, env_steps=env_steps)
        return self.entries[number]

    def record_outcome(
        self, number: int, state: TrialState, result: Any = None, reason: str | None = None, raised: bool = False
    ) -> Entry:
        """Record the outcome of an attempt. A result that JSON cannot represent is stored as null."""
        self._append("finished", number, state=state.value, result=_jsonable(result), reason=reason, raised=raised)
        return self.entries[number]

    def request_retry(self, number: int) -> Entry:
        """Request another attempt at a trial. Has no effect unless the trial failed or was stopped."""
        self._append("retry", number)
        return self.entries[number]

    def find(self, identity: str) -> Entry | None:
        """Return the trial of an identity. None: there is no such trial."""
        return next((entry for entry in self.entries.values() if entry.identity == identity), None)

    def _append(self, event: str, number: int, **fields: Any) -> None:
        self.read()
        content = {"event": event, "number": number, **fields, "at": round(time.time(), 3)}
        if self._dry:
            self._apply(content)
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        self._write(json.dumps(content).encode() + b"\n")
        self.read()

    def _write(self, line: bytes) -> None:
        handle = os.open(self.path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o644)
        try:
            size = os.fstat(handle).st_size
            is_torn = size > 0 and os.pread(handle, 1, size - 1) != b"\n"
            data = b"\n" + line if is_torn else line
            # A single write, so that lines of several processes do not mix. Synced, as callers rely on it.
            written = os.write(handle, data)
            os.fsync(handle)
        except OSError as error:
            raise DataError(f"the journal {self.path} cannot be written: {error.strerror}") from None
        finally:
            os.close(handle)
        if written < len(data):
            raise DataError(f"the journal {self.path} cannot be written: the disk is full; free space and resume")

    def _new_events(self) -> Iterator[Mapping[str, Any]]:
        try:
            with self.path.open("rb") as file:
                file.seek(self._offset)
                data = file.read()
        except FileNotFoundError:
            return
        except OSError as error:
            raise DataError(f"the journal {self.path} cannot be read: {error.strerror}") from None
        complete = data[: data.rfind(b"\n") + 1]
        self._offset += len(complete)
        for line in complete.splitlines():
            try:
                event = json.loads(line)
            except ValueError:
                continue
            if isinstance(event, dict) and isinstance(event.get("number"), int) and "event" in event:
                yield event

    def _apply(self, event: Mapping[str, Any]) -> None:
        number, at = event["number"], event.get("at")
        kind = OLD_EVENTS.get(event["event"], event["event"])
        if kind == "added":
            fields = {name: event[name] for name in ("identity", "source")}
            self.entries[number] = Entry(number=number, choices=tuple(event["choices"]), **fields)
            return
        entry = self.entries.get(number)
        if entry is None:
            return
        if kind == "started":
            fields = {name: event[name] for name in ("folder", "budget", "env_steps")}
            entry = replace(entry, state=TrialState.RUNNING, tries=entry.tries + 1, reason=None, **fields)
            entry = replace(entry, started_at=at, finished_at=None)
        elif kind == "finished":
            fields = {name: event[name] for name in ("result", "reason", "raised")}
            entry = replace(entry, state=TrialState(event["state"]), finished_at=at, **fields)
        elif kind == "retry" and entry.state in (TrialState.FAILED, TrialState.STOPPED):
            entry = replace(entry, state=TrialState.WAITING)
            self._retry_requests.append(number)
        self.entries[number] = entry


def _jsonable(value: Any) -> Any:
    try:
        json.dumps(value, allow_nan=False)
    except (TypeError, ValueError):
        return None
    return value
