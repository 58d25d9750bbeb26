"""Training facts of a report: the options of each part, and how long the training took."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from battery_lab.common.duration_text import in_words
from battery_lab.envs.interfaces import RecommendingWorld, World
from battery_lab.report.run_records import enclosing_run, read_choices, read_figures

# Parts that the world describes itself, or that do not affect the policy.
HIDDEN = ("env", "tracking")


def training_facts(folder: Path, used: Sequence[str], figures: Mapping[str, Any] | None = None) -> dict[str, str]:
    """Return facts about the training, by label; empty if the folder holds no trial.

    Args:
        folder: the run folder, or the folder of an evaluation in it.
        used: labels that the page has already.
        figures: metrics of the training. None: those of the finished run.
    """
    run = enclosing_run(folder)
    trial, figures = read_choices(run), read_figures(run) if figures is None else figures
    chosen = trial.get("choices")
    chosen = chosen if isinstance(chosen, Mapping) else {}
    rows = {_label(name): part_words(part, chosen.get(name)) for name, part in _parts(trial)}
    rows = {label: words for label, words in rows.items() if words and label not in used}
    if chosen:
        whole = {**chosen, "tracking": None, "seed": trial.get("seed")}
        rows["Options"] = " ".join(f"{group}={name}" for group, name in whole.items() if name is not None)
    training = training_words(figures)
    return rows | ({"Training run": training} if training else {})


def better_recipe(folder: Path, world: World) -> dict[str, str]:
    """Return the command of the world's recommended recipe, by label; empty if the run's algorithm is that of it."""
    chosen = read_choices(enclosing_run(folder)).get("choices")
    if not isinstance(world, RecommendingWorld) or not isinstance(chosen, Mapping):
        return {}
    recipe = world.recipe
    if chosen.get("algo") in (None, recipe.algo):
        return {}
    return {"A better policy": f"battery-lab {recipe.override}: {recipe.words}"}


def part_words(part: Mapping[str, Any], option: object) -> str:
    """Return the option of a part and its terms, features or layers; empty if it has none.

    Args:
        part: the composed part.
        option: the name of the option; None if unknown.
    """
    groups = [value for value in part.values() if isinstance(value, Mapping) and "_target_" not in value]
    inner = [words for group in groups for words in _inner(group)]
    if not inner:
        inner = [f"{name} {value}" for name, value in part.items() if isinstance(value, list)]
    if not inner or option is None or inner == [str(option)]:
        return ", ".join(inner)
    return f"{option}: {', '.join(inner)}"


def training_words(figures: Mapping[str, Any]) -> str:
    """Return the length of the training in environment steps and time, and the step of the kept policy."""
    steps, seconds = figures.get("train/env_steps"), figures.get("train/seconds")
    kept = figures.get("validation/env_steps")
    if not isinstance(steps, int | float):
        return ""
    words = f"{steps:,.0f} environment steps"
    if isinstance(seconds, int | float):
        words += f" in {in_words(seconds)}"
    return words + (f"; kept policy at step {kept:,.0f}" if isinstance(kept, int | float) else "")


def _parts(trial: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for name, part in trial.items():
        if name not in HIDDEN and isinstance(part, Mapping) and "_target_" in part:
            yield str(name), part


def _inner(parts: Mapping[str, Any]) -> Iterator[str]:
    """Yield the names of the components of a part, with their weights if not 1."""
    for name, part in parts.items():
        weight = part.get("weight", 1) if isinstance(part, Mapping) else 1
        yield str(name) if weight == 1 else f"{weight} x {name}"


def _label(group: str) -> str:
    return group.replace("_", " ").capitalize()
