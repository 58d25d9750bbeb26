"""Sweep end tracking: at the end of a sweep, ends its own run in the tracking store and uploads missing trials."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from omegaconf import DictConfig, OmegaConf

from battery_lab.common.run_folder import RunFolder
from battery_lab.config.build import build_part, resolve
from battery_lab.config.stored_trial import load_trial
from battery_lab.sweep.journal import Entry, Journal, TrialState
from battery_lab.tracking import Status


def record_sweep_end(config: DictConfig, journal: Journal, finished: Collection[Path], stopped: bool) -> None:
    """Record the end of a sweep in the tracking store, if one is chosen, and upload trials that are not there yet.

    Args:
        config: configuration of any of its trials, which names the store.
        journal: journal of the sweep.
        finished: folders of finished trials.
        stopped: whether a signal stopped the sweep.
    """
    if not OmegaConf.select(config, "tracking._target_"):
        return
    # All trials of the sweep, even if this launch was given only some of them.
    entries = journal.entries.values()
    results = [entry.result for entry in entries if isinstance(entry.result, float)]
    done = sum(entry.state == TrialState.DONE for entry in entries)
    metrics = {"sweep/trials": float(len(entries)), "sweep/done": float(done)}
    if results:
        metrics["sweep/best_validation_capture"] = max(results)
    is_complete = all(entry.state.settled for entry in entries)
    status: Status = "KILLED" if stopped else "FINISHED" if is_complete else "FAILED"
    trials = {folder: resolve(load_trial(folder)) for folder in sorted(finished)}
    build_part(config, "tracking").end_sweep(journal.folder, trials, status, metrics)


def is_finished(entry: Entry, folder: Path) -> bool:
    """Return whether a trial is done and its folder still holds its configuration."""
    return entry.state == TrialState.DONE and RunFolder(folder).trial.is_file()
