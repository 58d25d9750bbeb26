"""What a sweep is called, and the command that made it, which its folder keeps."""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Sequence
from pathlib import Path

from battery_lab.common.atomic_write import atomic_write
from battery_lab.common.errors import ConfigError, DataError
from battery_lab.tracking.mlflow_sweep_run import COMMAND

# What a sweep does is the same whoever runs its trials, where, and how failures are dealt with; it is not where they
# go on from something else, or train none.
BESIDE = re.compile(
    r"^[+~]*(?!hydra\.launcher\.(checkpoint|evaluate_only)=)(launcher|sweep|hydra|tracking|outputs)([.=@/]|$)"
)
SEVERAL = re.compile(r"=[^\[{]*[,(]")  # what is swept, which comes first in a name
LONGEST = 60


def sweep_name(overrides: Sequence[str]) -> str:
    """Return a name for the sweep that overrides describe, whatever their order: readable, and theirs alone."""
    own = sorted(own_choices(overrides), key=lambda choice: (not SEVERAL.search(choice), choice))
    readable = re.sub(r"[^A-Za-z0-9.,=+_-]+", "-", "_".join(own) or "defaults")[:LONGEST].strip("-_.,")
    return f"{readable}_{hashlib.sha256(json.dumps(own).encode()).hexdigest()[:8]}"


def own_choices(overrides: Sequence[str]) -> list[str]:
    """Return the overrides that say what a sweep does."""
    return [override for override in overrides if not BESIDE.match(override)]


def choices_of_trials(overrides: Sequence[str]) -> list[str]:
    """Return the overrides that say what a trial does, whatever they were combined by."""
    return [override for override in own_choices(overrides) if not override.lstrip("+").startswith("sweeper=")]


def store_command(folder: Path, arguments: Sequence[str]) -> None:
    """Have the folder of a sweep keep the arguments of its command, whole or as they were."""
    command = {"arguments": list(arguments), "directory": os.getcwd()}
    atomic_write(folder / COMMAND, json.dumps(command, indent=1))


def load_command(folder: Path) -> tuple[list[str], str | None]:
    """Return the arguments of the command that a sweep was made by, and in which directory it was given.

    Raises:
        ConfigError: the folder is none of a sweep.
        DataError: it is damaged.
    """
    path = folder / COMMAND
    if not path.is_file():
        raise ConfigError(f"sweep.resume={folder} must name the folder of a sweep, which holds {COMMAND}")
    try:
        told = json.loads(path.read_text())
        found, directory = told["arguments"], told.get("directory")
        if isinstance(found, list) and all(isinstance(argument, str) for argument in found):
            return found, None if directory is None else str(directory)
        why: object = "it holds no list of arguments"
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        why = error
    raise DataError(f"{path} is damaged ({why}): bring back a whole one, or give the sweep's own command again")
