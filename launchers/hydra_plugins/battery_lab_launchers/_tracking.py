"""What a store of trials is told of a sweep as a whole."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from omegaconf import DictConfig, OmegaConf

from battery_lab.common.run_folder import RunFolder
from battery_lab.config.build import build_part, resolve
from battery_lab.config.stored_trial import load_trial
from battery_lab.sweep.journal import Entry, Journal, State
from battery_lab.tracking import Status


def track(config: DictConfig, journal: Journal, ended: Collection[Path], stopped: bool) -> None:
    """Tell the store of trials, if one is chosen, how the sweep ended, and bring what trials could not.

    Args:
        config: of any of its trials, which says what store.
        journal: of the sweep.
        ended: folders of trials that came to their end.
        stopped: whether somebody stopped it.
    """
    if not OmegaConf.select(config, "tracking._target_"):
        return
    entries = journal.entries.values()
    # Of all that the sweep has, also where this launch was given a part of it.
    results = [entry.result for entry in entries if isinstance(entry.result, float)]
    done = sum(entry.state == State.DONE for entry in entries)
    figures = {"sweep/trials": float(len(entries)), "sweep/done": float(done)}
    if results:
        figures["sweep/best_validation_capture"] = max(results)
    whole = all(entry.state.settled for entry in entries)
    status: Status = "KILLED" if stopped else "FINISHED" if whole else "FAILED"
    trials = {folder: resolve(load_trial(folder)) for folder in sorted(ended)}
    build_part(config, "tracking").end_sweep(journal.folder, trials, status, figures)


def has_ended(entry: Entry, folder: Path) -> bool:
    """Return whether a trial came to its end and keeps what it was."""
    return entry.state == State.DONE and RunFolder(folder).trial.is_file()
