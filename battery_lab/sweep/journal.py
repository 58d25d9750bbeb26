"""The journal of a sweep: what became of each trial, one JSON line an event, only ever appended to.

    {"event": "listed", "number": 0, "identity": "...", "source": "...", "choices": ["algo=ppo"], "at": 1790000000.0}
    {"event": "begun", "number": 0, "folder": "0", "budget": 2000000, "env_steps": 0, "at": ...}
    {"event": "ended", "number": 0, "state": "done", "result": 0.54, "reason": null, "raised": false, "at": ...}
    {"event": "again", "number": 0, "at": ...}

A kill at any byte costs the line that was being written and no other: what cannot be read is passed over, and the next
event begins a line of its own.
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

from battery_lab.common.errors import DataError

JOURNAL = "journal.jsonl"


class State(StrEnum):
    """What a trial of a sweep is at: a line of the journal, or of its tables, says so in this word."""

    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"
    PRUNED = "pruned"  # a search ended it early, as others do better
    STOPPED = "stopped"  # a person did, with the sweep
    FAILED = "failed"

    @property
    def settled(self) -> bool:
        """Whether there is nothing more to do."""
        return self in (State.DONE, State.PRUNED)


@dataclass(frozen=True, kw_only=True)
class Entry:
    """What the journal knows of a trial.

    Attributes:
        number: of the trial in its sweep, from 0; names its folder.
        identity: of its configuration.
        source: of the lab's source and packages when it was listed.
        choices: its overrides, as on the command line.
        state: what it is at; RUNNING also where it was killed together with the sweep.
        tries: how often it was begun.
        folder: where it keeps all, seen from the sweep's; empty before it was begun.
        budget: environment steps that it is to train; None where that says nothing.
        env_steps: environment steps that its last try went on from.
        result: what it returned; None before it is done.
        reason: why it failed; None if it did not.
        raised: whether it failed by an error of its own, and not by what somebody did to its process.
        started_at: when its last try began, in unix seconds; None before.
        finished_at: when it ended; None while it has not.
    """

    number: int
    identity: str
    source: str
    choices: tuple[str, ...]
    state: State = State.WAITING
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
    """Reads and appends events; several processes may."""

    def __init__(self, folder: Path, dry: bool = False) -> None:
        """Remember the sweep's folder; nothing is written before the first event.

        Args:
            folder: of the sweep.
            dry: whether events are taken in and not written.
        """
        self.folder, self.path, self._dry = folder, folder / JOURNAL, dry
        self.entries: dict[int, Entry] = {}
        self._wishes: list[int] = []
        self._offset = 0

    def read(self) -> None:
        """Take in what was appended since, by whomever.

        Raises:
            DataError: the file cannot be read.
        """
        for event in self._news():
            # What some other program wrote says too little.
            with suppress(KeyError, TypeError, ValueError):
                self._apply(event)

    def take_retry_requests(self) -> list[int]:
        """Return the numbers of trials that somebody asked for once more since this was called last."""
        self.read()
        wishes, self._wishes = self._wishes, []
        return wishes

    @property
    def next_number(self) -> int:
        """The number that the next new trial will have."""
        return max(self.entries, default=-1) + 1

    def add_trial(self, identity: str, source: str, choices: Sequence[str]) -> Entry:
        """Give a trial that is new its number; one that is to be run anew by another source keeps the number it had."""
        known = self.find(identity)
        number = known.number if known else self.next_number
        self._append("listed", number, identity=identity, source=source, choices=list(choices))
        return self.entries[number]

    def record_start(self, number: int, folder: Path, budget: int | None, env_steps: int) -> Entry:
        """Note that a try begins, or goes on from environment steps of an earlier one."""
        place = os.path.relpath(folder, self.folder)
        self._append("begun", number, folder=place, budget=budget, env_steps=env_steps)
        return self.entries[number]

    def record_outcome(
        self, number: int, state: State, result: Any = None, reason: str | None = None, raised: bool = False
    ) -> Entry:
        """Note how a try ended; a result that JSON has no word for is kept as null."""
        self._append("ended", number, state=state.value, result=_plain(result), reason=reason, raised=raised)
        return self.entries[number]

    def request_retry(self, number: int) -> Entry:
        """Ask for a trial once more that failed or was stopped; has no effect on another."""
        self._append("again", number)
        return self.entries[number]

    def find(self, identity: str) -> Entry | None:
        """Return the trial of an identity, if it was listed."""
        return next((entry for entry in self.entries.values() if entry.identity == identity), None)

    def _append(self, event: str, number: int, **facts: Any) -> None:
        self.read()
        noted = {"event": event, "number": number, **facts, "at": round(time.time(), 3)}
        if self._dry:
            self._apply(noted)
            return
        line = json.dumps(noted).encode() + b"\n"
        self.folder.mkdir(parents=True, exist_ok=True)
        handle = os.open(self.path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o644)
        try:
            size = os.fstat(handle).st_size
            torn = size > 0 and os.pread(handle, 1, size - 1) != b"\n"
            # One write, which no other process's can come between; and the disk has it before anything builds on it.
            whole = b"\n" + line if torn else line
            written = os.write(handle, whole)
            os.fsync(handle)
        except OSError as error:
            raise DataError(f"the journal {self.path} cannot be written: {error.strerror}") from None
        finally:
            os.close(handle)
        if written < len(whole):
            raise DataError(f"the journal {self.path} cannot be written: the disk is full; make room and go on")
        self.read()

    def _news(self) -> Iterator[Mapping[str, Any]]:
        try:
            with self.path.open("rb") as file:
                file.seek(self._offset)
                data = file.read()
        except FileNotFoundError:
            return
        except OSError as error:
            raise DataError(f"the journal {self.path} cannot be read: {error.strerror}") from None
        whole = data[: data.rfind(b"\n") + 1]
        self._offset += len(whole)
        for line in whole.splitlines():
            try:
                event = json.loads(line)
            except ValueError:
                continue
            if isinstance(event, dict) and isinstance(event.get("number"), int) and "event" in event:
                yield event

    def _apply(self, event: Mapping[str, Any]) -> None:
        number, at = event["number"], event.get("at")
        if event["event"] == "listed":
            facts = {name: event[name] for name in ("identity", "source")}
            self.entries[number] = Entry(number=number, choices=tuple(event["choices"]), **facts)
            return
        entry = self.entries.get(number)
        if entry is None:
            return
        if event["event"] == "begun":
            told = {name: event[name] for name in ("folder", "budget", "env_steps")}
            entry = replace(
                entry, state=State.RUNNING, tries=entry.tries + 1, started_at=at, finished_at=None, reason=None
            )
            entry = replace(entry, **told)
        elif event["event"] == "ended":
            told = {name: event[name] for name in ("result", "reason", "raised")}
            entry = replace(entry, state=State(event["state"]), finished_at=at, **told)
        elif event["event"] == "again" and entry.state in (State.FAILED, State.STOPPED):
            entry = replace(entry, state=State.WAITING)
            self._wishes.append(number)
        self.entries[number] = entry


def _plain(value: Any) -> Any:
    try:
        json.dumps(value, allow_nan=False)
    except (TypeError, ValueError):
        return None
    return value
