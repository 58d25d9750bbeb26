"""The trials of a sweep as a person follows them: a live table at a terminal, a line an event elsewhere."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType

from rich.console import Console
from rich.live import Live
from rich.markup import escape
from rich.table import Table

from battery_lab.common.duration import clock
from battery_lab.sweep.interfaces import Trial
from battery_lab.sweep.journal import Entry, State
from battery_lab.sweep.trial_folder import Progress

STYLES = {State.DONE: "green", State.FAILED: "red", State.RUNNING: "cyan", State.STOPPED: "yellow"}
EVERY_S = 60.0
MANY = 30


def varied(entries: Sequence[Entry]) -> dict[int, str]:
    """Return, by number, the choices in which trials differ; all of them where there is one trial."""
    shared = set(entries[0].choices) if len(entries) > 1 else set()
    for entry in entries:
        shared &= set(entry.choices)
    return {e.number: " ".join(choice for choice in e.choices if choice not in shared) for e in entries}


def time_left(progress: Progress, budget: int | None) -> float | None:
    """Return the seconds that a trial still needs at its pace; None where nobody can tell."""
    if not budget or not progress.rate or progress.rate <= 0:
        return None
    return max(0.0, (budget - progress.env_steps) / progress.rate)


def _captured(entry: Entry, progress: Progress) -> str:
    value = entry.result if isinstance(entry.result, float) else progress.capture
    return "" if value is None or not math.isfinite(value) else f"{value:.3f}"


def _cells(entry: Entry, progress: Progress, budget: int | None) -> tuple[str, str, str]:
    """Return how far a trial has come, its capture and the time that it took or still needs."""
    share = f"{min(1.0, progress.env_steps / budget):.0%}" if budget and progress.env_steps else ""
    took = ""
    if entry.state == State.RUNNING and (left := time_left(progress, budget)) is not None:
        took = f"{clock(left)} left"
    elif entry.started_at is not None and entry.finished_at is not None:
        took = clock(entry.finished_at - entry.started_at)
    return share, _captured(entry, progress), took


def rendered(rows: Sequence[tuple[Entry, Progress, int | None]]) -> Table:
    """Return the table of a sweep.

    Args:
        rows: what the journal knows of each trial, how far it has come, and its budget.
    """
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("trial", "choices", "state", "progress", "capture", "time", ""):
        table.add_column(name, justify="right" if name in ("trial", "progress", "capture", "time") else "left")
    choices = varied([entry for entry, _, _ in rows])
    for entry, progress, budget in rows:
        state = f"[{STYLES[entry.state]}]{entry.state}" if entry.state in STYLES else str(entry.state)
        texts = escape(choices[entry.number]), escape(entry.reason or "")
        table.add_row(str(entry.number), texts[0], state, *_cells(entry, progress, budget), texts[1])
    return table


def counted(entries: Sequence[Entry]) -> str:
    """Return how many trials are at what, in words."""
    counts = [(state, sum(entry.state == state for entry in entries)) for state in State]
    return ", ".join(f"{count} {state}" for state, count in counts if count)


class SweepDisplay:
    """Follows the trials of a launch."""

    def __init__(self, console: Console, folder: Path) -> None:
        """Begin to show a sweep that lies in a folder."""
        self._console, self._folder, self._last = console, folder, time.monotonic()
        self._live = Live(console=console, auto_refresh=False) if console.is_terminal else None
        self._trials: Sequence[Trial] = ()

    def __enter__(self) -> SweepDisplay:
        if self._live:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live:
            self._live.stop()

    def show(self, trials: Sequence[Trial]) -> None:
        """Show what all trials are at."""
        rows = [(trial.entry, trial.watch.look(), trial.budget) for trial in trials]
        if self._live:
            self._live.update(self._shortened(rows), refresh=True)
        elif time.monotonic() - self._last > EVERY_S:
            self._last = time.monotonic()
            choices = varied([entry for entry, _, _ in rows])
            for entry, progress, budget in rows:
                if entry.state == State.RUNNING:
                    self._say(entry, progress, budget, choices[entry.number])

    def report(self, trial: Trial, trials: Sequence[Trial]) -> None:
        """Tell that a trial began or ended."""
        if not self._live:
            choices = varied([one.entry for one in trials])[trial.number]
            self._say(trial.entry, trial.watch.look(), trial.budget, choices)

    def _say(self, entry: Entry, progress: Progress, budget: int | None, choices: str) -> None:
        share, capture, took = _cells(entry, progress, budget)
        words = [f"trial {entry.number}", choices, str(entry.state), share, f"capture {capture}" if capture else ""]
        words += [took, entry.reason or ""]
        self._console.print("  ".join(word for word in words if word), soft_wrap=True, highlight=False, markup=False)

    def _shortened(self, rows: Sequence[tuple[Entry, Progress, int | None]]) -> Table:
        """Return a table that fits a screen: what is settled longest goes first."""
        settled = [row for row in rows if row[0].state.settled]
        hidden = {row[0].number for row in settled[: max(0, len(rows) - MANY)]}
        table = rendered([row for row in rows if row[0].number not in hidden])
        table.title = f"{escape(str(self._folder))}: {counted([row[0] for row in rows])}"
        table.title_justify = "left"
        return table
