"""The first lines of the page: what was chosen for the training, and how long it took."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from battery_lab.report.run_records import read_choices, read_figures, run_folder

# Parts that say nothing of the policy, and those that the world describes in its own words.
UNTOLD = ("env", "tracking")


def header(folder: Path, told: Sequence[str]) -> dict[str, str]:
    """Return what a run folder holds of its training, by label; empty if it holds no trial.

    A stored policy that is judged again has its figures in a folder of its own inside the run's.

    Args:
        folder: the run folder, or that inside it.
        told: labels that the page has already.
    """
    run = run_folder(folder)
    trial, figures = read_choices(run), read_figures(run)
    chosen = trial.get("choices")
    chosen = chosen if isinstance(chosen, Mapping) else {}
    rows = {_label(name): part_words(part, chosen.get(name)) for name, part in _parts(trial)}
    rows = {label: words for label, words in rows.items() if words and label not in told}
    if chosen:
        whole = {**chosen, "tracking": None, "seed": trial.get("seed")}
        rows["Chosen for training"] = " ".join(f"{group}={name}" for group, name in whole.items() if name is not None)
    trained = training_words(figures)
    return rows | ({"Trained for": trained} if trained else {})


def part_words(part: Mapping[str, Any], choice: object) -> str:
    """Return what a part is made of: its option, then its terms, features or layers; empty if it has none.

    Args:
        part: as it was composed.
        choice: the name of the option; None if it is not known.
    """
    inner = [words for value in part.values() if isinstance(value, Mapping) for words in _inner(value)]
    if not inner:
        inner = [f"{name} {value}" for name, value in part.items() if isinstance(value, list)]
    if not inner or choice is None or inner == [str(choice)]:
        return ", ".join(inner)
    return f"{choice}: {', '.join(inner)}"


def training_words(figures: Mapping[str, Any]) -> str:
    """Return how long the training was, in environment steps and time, and which step's policy was kept."""
    steps, seconds = figures.get("train/env_steps"), figures.get("train/seconds")
    kept = figures.get("validation/env_steps")
    if not isinstance(steps, int | float):
        return ""
    words = f"{steps:,.0f} environment steps"
    if isinstance(seconds, int | float):
        words += f" in {duration(seconds)}"
    return words + (f"; the policy is that of step {kept:,.0f}" if isinstance(kept, int | float) else "")


def duration(seconds: float) -> str:
    """Return a time in the two units that suit it: 42 s, 1 min 51 s, 2 h 5 min."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def _parts(trial: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for name, part in trial.items():
        if name not in UNTOLD and isinstance(part, Mapping) and "_target_" in part:
            yield str(name), part


def _inner(parts: Mapping[str, Any]) -> Iterator[str]:
    """Yield the names of the parts of a part, with the weight of each that has one other than 1."""
    for name, part in parts.items():
        weight = part.get("weight", 1) if isinstance(part, Mapping) else 1
        yield str(name) if weight == 1 else f"{weight} x {name}"


def _label(group: str) -> str:
    return group.replace("_", " ").capitalize()
