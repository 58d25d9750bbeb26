"""Run records for the page: the trial, its metrics and the evaluations on the test period."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from battery_lab.common.run_folder import RunFolder

# `scheme://user:password@host`: reports are shared, so credentials are removed.
_LOGIN = re.compile(r"(?<=://)[^\s/'\"@]+@")


def enclosing_run(folder: Path) -> Path:
    """Return the run folder of a folder, which is the run folder itself or the folder of an evaluation in it."""
    places = (folder, *list(folder.resolve().parents)[:2])
    return next((place for place in places if RunFolder(place).trial.is_file()), folder)


def read_choices(run: Path) -> dict[str, Any]:
    """Return the composed configuration with unresolved references; empty if it cannot be read."""
    import yaml

    try:
        trial = yaml.safe_load(without_logins(_text(RunFolder(run).trial)))
    except (yaml.YAMLError, ValueError):  # ValueError: an invalid date
        return {}
    return trial if isinstance(trial, dict) else {}


def read_figures(run: Path) -> dict[str, Any]:
    """Return ``metrics.json``; empty if it cannot be read."""
    try:
        return RunFolder(run).read_metrics() or {}
    except (OSError, ValueError):
        return {}


def read_trial(folder: Path) -> str:
    """Return the text of the composed configuration without credentials; empty if there is none."""
    return without_logins(_text(RunFolder(folder).trial))


def read_looks(folder: Path) -> list[dict[str, str]]:
    """Return all recorded evaluations on the test period, the oldest first: time, command, policy and world.

    Args:
        folder: the run folder, or the folder of an evaluation in it.
    """
    for place in (folder, *list(folder.resolve().parents)[:2]):
        looks = list(_looks(_text(RunFolder(place).test_looks)))
        if looks:
            return looks
    return []


def without_logins(text: str) -> str:
    """Return text without user and password in addresses."""
    return _LOGIN.sub("", text)


def _looks(text: str) -> Iterator[dict[str, str]]:
    for line in text.splitlines():
        try:
            look = json.loads(line)
        except ValueError:
            # A kill can leave an incomplete line; the other lines are valid.
            continue
        if isinstance(look, dict):
            known = {key: without_logins(str(look.get(key, ""))) for key in ("time", "command", "policy")}
            world = look.get("world")
            facts = world.items() if isinstance(world, dict) else []
            yield known | {"world": without_logins("; ".join(f"{label}: {fact}" for label, fact in facts))}


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
