"""Status of a sweep: the table of its trials, printed from any shell."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from rich.console import Console

from battery_lab.sweep.journal import Entry, Journal, TrialState
from battery_lab.sweep.progress_display import count_states, trial_table
from battery_lab.sweep.trial_folder import is_locked
from battery_lab.sweep.trial_progress import read_progress


def status(folder: Path) -> None:
    """Print the trials of a sweep."""
    journal = Journal.of_sweep(folder)
    is_running = is_locked(folder)
    entries = [_current(entry, is_running) for entry in journal.entries.values()]
    console = Console()
    console.print(trial_table([(entry, read_progress(journal, entry), entry.budget) for entry in entries]))
    state = "is running" if is_running else "is not running"
    console.print(f"{folder} {state}: {count_states(entries)}", soft_wrap=True, highlight=False, markup=False)


def _current(entry: Entry, is_running: bool) -> Entry:
    """Return the entry to show: no trial runs after its sweep was killed."""
    if entry.state == TrialState.RUNNING and not is_running:
        return replace(entry, state=TrialState.STOPPED, reason="its sweep was killed")
    return entry
