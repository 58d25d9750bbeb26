"""What a person does with a sweep from another shell: look, have trials tried again, take the results away."""

from __future__ import annotations

import importlib
import json
import os
import shutil
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
from filelock import FileLock, Timeout
from rich.console import Console

from battery_lab.common.atomic_write import atomic_write
from battery_lab.common.errors import ConfigError
from battery_lab.common.run_folder import RunFolder
from battery_lab.config.sweep_name import load_command
from battery_lab.sweep.journal import JOURNAL, Entry, Journal, State
from battery_lab.sweep.progress_table import counted, rendered
from battery_lab.sweep.trial_folder import Watch, is_locked, read_metrics

RESULTS, LOG, REMOTE = "results.csv", "trial.log", "remote.json"
READERS = "hydra_plugins.battery_lab_launchers._"
OLD_READERS = {f"{READERS}collecting": f"{READERS}sagemaker_remote"}  # in sweeps of earlier versions


def _opened(folder: Path) -> Journal:
    if not (folder / JOURNAL).is_file():
        raise ConfigError(f"{folder} must be the folder of a sweep, which holds {JOURNAL}, and it holds none")
    journal = Journal(folder)
    journal.read()
    return journal


def status(folder: Path) -> None:
    """Print the trials of a sweep."""
    journal = _opened(folder)
    goes_on = is_locked(folder)
    entries = [_shown(entry, goes_on) for entry in journal.entries.values()]
    console = Console()
    rows = [(entry, Watch(_place(folder, entry), entry.started_at or 0.0).look(), entry.budget) for entry in entries]
    console.print(rendered(rows))
    words = "goes on right now" if goes_on else "does not go on right now"
    console.print(f"{folder} {words}: {counted(entries)}", soft_wrap=True, highlight=False, markup=False)


def _place(folder: Path, entry: Entry) -> Path:
    return folder / (entry.folder or str(entry.number))


def _shown(entry: Entry, goes_on: bool) -> Entry:
    """Return what to say of a trial: none runs in a sweep that was killed."""
    if entry.state == State.RUNNING and not goes_on:
        return replace(entry, state=State.STOPPED, reason="its sweep was killed")
    return entry


def retry(folder: Path, numbers: Sequence[int]) -> None:
    """Have trials that failed tried again.

    Where nobody runs the sweep, this process becomes the command that goes on with it.

    Args:
        folder: of the sweep.
        numbers: of trials; empty: all that failed.

    Raises:
        ConfigError: a number is of no trial that failed or was stopped.
    """
    journal = _opened(folder)
    failed = [n for n, entry in journal.entries.items() if entry.state == State.FAILED]
    for number in numbers:
        state = journal.entries[number].state if number in journal.entries else None
        if state not in (State.FAILED, State.STOPPED):
            what = f"is {state}" if state else "is none of the sweep"
            raise ConfigError(f"trial {number} {what}: retry takes trials that failed ({failed}) or were stopped")
    wanted = list(numbers) or failed
    if not wanted:
        print(f"no trial of {folder} has failed")
        return
    for number in wanted:
        journal.request_retry(number)
    told = ", ".join(map(str, wanted))
    if is_locked(folder):
        print(f"the sweep that goes on in {folder} tries again: {told}")
        return
    print(f"the sweep is gone on with, and tries again: {told}", flush=True)
    _, directory = load_command(folder)
    command = [sys.executable, "-m", "battery_lab", f"sweep.resume={folder.resolve()}"]
    if directory is not None:
        os.chdir(directory)
    # In place of this process, so that Ctrl-C is the sweep's alone.
    os.execv(sys.executable, command)


def collect(folder: Path) -> None:
    """Write what came out of a sweep to ``results.csv`` in its folder: a row a trial, its choices and its figures."""
    journal = _opened(folder)
    elsewhere = _elsewhere(folder)
    if elsewhere is not None:
        try:
            with FileLock(folder / RunFolder.LOCK, timeout=0):
                elsewhere.collect(folder, journal)
        except Timeout:
            raise ConfigError(
                f"{folder} is followed by a command that goes on right now, which brings home what is done: wait for it"
            ) from None
    rows = [_row(folder, entry) for entry in journal.entries.values()]
    path = folder / RESULTS
    atomic_write(path, pd.DataFrame(rows).to_csv(index=False))
    done = sum(entry.state.settled for entry in journal.entries.values())
    print(f"{path}: {done} of {len(rows)} trials are done")


def logs(folder: Path, number: int) -> None:
    """Print what a trial printed; of a job elsewhere, until it ends.

    Raises:
        ConfigError: there is no such trial, or it has printed nothing.
    """
    journal = _opened(folder)
    if number not in journal.entries:
        raise ConfigError(f"trial {number} is none of the sweep, which has {sorted(journal.entries)}")
    elsewhere = _elsewhere(folder)
    path = _place(folder, journal.entries[number]) / LOG
    # What came home of a job that failed is not what the next one prints.
    if elsewhere is not None and not (path.is_file() and journal.entries[number].state.settled):
        elsewhere.logs(folder, number)
        return
    if not path.is_file():
        raise ConfigError(f"trial {number} has printed nothing, as there is no {path}")
    with path.open(errors="replace") as file:
        shutil.copyfileobj(file, sys.stdout)


def _elsewhere(folder: Path) -> Any:
    """Return what reads the sweep's jobs elsewhere, named in its folder by the launcher; None if it has none.

    Raises:
        ConfigError: it names something else than a part of a launcher.
    """
    try:
        name = str(json.loads((folder / REMOTE).read_text())["reader"])
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError) as error:
        raise ConfigError(f"{folder / REMOTE} is damaged ({error}): give the sweep's command again") from None
    if not name.startswith(READERS):
        raise ConfigError(f"{folder / REMOTE} must name a part of {READERS}*, got {name!r}: is it a sweep of the lab?")
    return importlib.import_module(OLD_READERS.get(name, name))


def _row(folder: Path, entry: Entry) -> Mapping[str, Any]:
    chosen = dict(choice.lstrip("+~").partition("=")[::2] for choice in entry.choices)
    place = _place(folder, entry)
    figures = read_metrics(place) or {}
    about = {"trial": entry.number, "state": str(entry.state), "reason": entry.reason, "source": entry.source}
    # Of pruned trials, which have no figures, too.
    about |= {"result": entry.result, "env_steps": Watch(place).look().env_steps}
    return {**about, **{f"choice.{key}": value for key, value in chosen.items()}, **figures}
