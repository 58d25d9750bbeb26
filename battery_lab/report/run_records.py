"""What else stands in a run folder and belongs on the page: the trial, its figures and the looks at test time."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from battery_lab.common.run_folder import RunFolder

# `scheme://user:password@host`: a report is passed on, and what opens a server is not for everybody who reads it.
_LOGIN = re.compile(r"(?<=://)[^\s/'\"@]+@")


def run_folder(folder: Path) -> Path:
    """Return the run folder that a folder is, or is inside of as the figures of a policy that was judged again are."""
    places = (folder, *list(folder.resolve().parents)[:2])
    return next((place for place in places if RunFolder(place).trial.is_file()), folder)


def read_choices(run: Path) -> dict[str, Any]:
    """Return the composed configuration, its references as they are written; empty if it cannot be read."""
    import yaml

    try:
        found = yaml.safe_load(without_logins(_text(RunFolder(run).trial)))
    except (yaml.YAMLError, ValueError):  # the latter of dates that are none
        return {}
    return found if isinstance(found, dict) else {}


def read_figures(run: Path) -> dict[str, Any]:
    """Return ``metrics.json``; empty if it cannot be read."""
    try:
        return RunFolder(run).read_metrics() or {}
    except (OSError, ValueError):
        return {}


def read_trial(folder: Path) -> str:
    """Return the composed configuration as it is stored, without logins; empty if there is none."""
    return without_logins(_text(RunFolder(folder).trial))


def read_looks(folder: Path) -> list[dict[str, str]]:
    """Return every look at test time that was noted: its time, command, policy and world, the oldest first.

    A stored policy that is judged again has its figures in a folder of its own inside the run's, which holds the notes.
    """
    for place in (folder, *list(folder.resolve().parents)[:2]):
        looks = list(_looks(_text(RunFolder(place).test_looks)))
        if looks:
            return looks
    return []


def without_logins(text: str) -> str:
    """Return text with user and password taken out of the addresses in it."""
    return _LOGIN.sub("", text)


def _looks(text: str) -> Iterator[dict[str, str]]:
    for line in text.splitlines():
        try:
            look = json.loads(line)
        except ValueError:
            # A kill can leave half a line; the others still count.
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
