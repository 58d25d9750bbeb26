"""Progress display of a sweep: a live table in a terminal, one line per event elsewhere."""

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

from battery_lab.common.duration_text import clock
from battery_lab.sweep.interfaces import Trial
from battery_lab.sweep.journal import Entry, TrialState
from battery_lab.sweep.trial_progress import TrialProgress

STYLES = {TrialState.DONE: "green", TrialState.FAILED: "red", TrialState.RUNNING: "cyan", TrialState.STOPPED: "yellow"}
LINE_INTERVAL_S = 60.0
MAX_ROWS = 30


def differing_choices(entries: Sequence[Entry]) -> dict[int, str]:
    """Return, by trial number, the overrides in which trials differ. A single trial has all its overrides."""
    shared = set(entries[0].choices) if len(entries) > 1 else set()
    for entry in entries:
        shared &= set(entry.choices)
    return {e.number: " ".join(choice for choice in e.choices if choice not in shared) for e in entries}


def time_left(progress: TrialProgress, budget: int | None) -> float | None:
    """Return the seconds that a trial still needs at its present speed. None: unknown."""
    if not budget or not progress.steps_per_second or progress.steps_per_second <= 0:
        return None
    return max(0.0, (budget - progress.env_steps) / progress.steps_per_second)


def _capture_text(entry: Entry, progress: TrialProgress) -> str:
    value = entry.result if isinstance(entry.result, float) else progress.capture
    return "" if value is None or not math.isfinite(value) else f"{value:.3f}"


def _cells(entry: Entry, progress: TrialProgress, budget: int | None) -> tuple[str, str, str]:
    """Return the trained share of the budget, the capture, and the time taken or left, as text."""
    share = f"{min(1.0, progress.env_steps / budget):.0%}" if budget and progress.env_steps else ""
    duration = ""
    if entry.state == TrialState.RUNNING and (left := time_left(progress, budget)) is not None:
        duration = f"{clock(left)} left"
    elif entry.started_at is not None and entry.finished_at is not None:
        duration = clock(entry.finished_at - entry.started_at)
    return share, _capture_text(entry, progress), duration


def trial_table(rows: Sequence[tuple[Entry, TrialProgress, int | None]]) -> Table:
    """Return the table of a sweep.

    Args:
        rows: journal entry, progress and budget of each trial.
    """
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("trial", "overrides", "state", "progress", "capture", "time", ""):
        table.add_column(name, justify="right" if name in ("trial", "progress", "capture", "time") else "left")
    choices = differing_choices([entry for entry, _, _ in rows])
    for entry, progress, budget in rows:
        state = f"[{STYLES[entry.state]}]{entry.state}" if entry.state in STYLES else str(entry.state)
        texts = escape(choices[entry.number]), escape(entry.reason or "")
        table.add_row(str(entry.number), texts[0], state, *_cells(entry, progress, budget), texts[1])
    return table


def count_states(entries: Sequence[Entry]) -> str:
    """Return the number of trials in each state as text, such as ``1 waiting, 2 done``."""
    counts = [(state, sum(entry.state == state for entry in entries)) for state in TrialState]
    return ", ".join(f"{count} {state}" for state, count in counts if count)


class SweepDisplay:
    """Shows the trials of a launch while they run."""

    def __init__(self, console: Console, folder: Path) -> None:
        """Prepare the display of the sweep in a folder."""
        self._console, self._folder, self._last = console, folder, time.monotonic()
        self._live = Live(console=console, auto_refresh=False) if console.is_terminal else None

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
        """Show the state of all trials. Outside a terminal: one line per running trial and minute."""
        rows = [(trial.entry, trial.progress_reader.read(), trial.budget) for trial in trials]
        if self._live:
            self._live.update(self._shortened(rows), refresh=True)
        elif time.monotonic() - self._last > LINE_INTERVAL_S:
            self._last = time.monotonic()
            choices = differing_choices([entry for entry, _, _ in rows])
            for entry, progress, budget in rows:
                if entry.state == TrialState.RUNNING:
                    self._print(entry, progress, budget, choices[entry.number])

    def report(self, trial: Trial, trials: Sequence[Trial]) -> None:
        """Print a line for a trial that started or finished. In a terminal, the table shows it instead."""
        if not self._live:
            choices = differing_choices([other.entry for other in trials])[trial.number]
            self._print(trial.entry, trial.progress_reader.read(), trial.budget, choices)

    def _print(self, entry: Entry, progress: TrialProgress, budget: int | None, choices: str) -> None:
        share, capture, duration = _cells(entry, progress, budget)
        parts = [f"trial {entry.number}", choices, str(entry.state), share, f"capture {capture}" if capture else ""]
        parts += [duration, entry.reason or ""]
        self._console.print("  ".join(part for part in parts if part), soft_wrap=True, highlight=False, markup=False)

    def _shortened(self, rows: Sequence[tuple[Entry, TrialProgress, int | None]]) -> Table:
        """Return a table that fits the screen, without the first of the settled trials if there are too many."""
        settled = [row for row in rows if row[0].state.settled]
        hidden = {row[0].number for row in settled[: max(0, len(rows) - MAX_ROWS)]}
        table = trial_table([row for row in rows if row[0].number not in hidden])
        table.title = f"{escape(str(self._folder))}: {count_states([row[0] for row in rows])}"
        table.title_justify = "left"
        return table
