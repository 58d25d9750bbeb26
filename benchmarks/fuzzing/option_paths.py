"""Option paths: every value of conf/, with its default and the options that must be chosen to have it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from battery_lab.config.conf_folder import conf_dir

PACKAGE = re.compile(r"# @package (\S+)")


class OptionPath(NamedTuple):
    """A value that a user can override.

    Attributes:
        choices: the options that the trial needs to have it, such as ``algo=sac``.
        path: its place, such as ``algo.replay.capacity``.
        default: its value in the YAML.
    """

    choices: tuple[str, ...]
    path: str
    default: Any


@cache
def option_paths() -> list[OptionPath]:
    """Return the values of all YAML files in conf/."""
    paths = []
    for file in sorted(conf_dir().rglob("*.yaml")):
        group = file.parent.relative_to(conf_dir()).as_posix()
        if group != "experiment":
            paths += list(_paths_of(file, "" if group == "." else group))
    return paths


@cache
def groups() -> dict[str, list[str]]:
    """Return the options of every group, by its name."""
    folders = [folder for folder in sorted(conf_dir().rglob("*")) if folder.is_dir()]
    return {
        folder.relative_to(conf_dir()).as_posix(): sorted(
            # A study is a sweep of dozens of trials: composing them all takes a minute.
            file.stem
            for file in folder.glob("*.yaml")
            if not file.stem.endswith("_study")
        )
        for folder in folders
    }


def _paths_of(file: Path, group: str) -> Iterator[OptionPath]:
    text = file.read_text()
    package, choices = PACKAGE.match(text), (f"{group}={file.stem}",) if group else ()
    start = group.replace("/", ".")
    if package:
        start = "" if package[1] == "_global_" else package[1]
    if group == "reward/term":
        choices = (f"+{group}={file.stem}",)
    if group == "baseline":
        start, choices = f"env.baselines.{file.stem}", ()
    for path, default in _leaves(yaml.safe_load(text) or {}, start):
        if not path.startswith(("hydra.help", "hydra.mode", "hydra.run", "hydra.sweep.", "defaults")):
            yield OptionPath(choices, path, default)


def _leaves(node: dict[str, Any], before: str) -> Iterator[tuple[str, Any]]:
    for key, value in node.items():
        path = f"{before}.{key}" if before else str(key)
        if key == "defaults":
            continue
        if isinstance(value, dict) and value:
            yield from _leaves(value, path)
        yield path, value
