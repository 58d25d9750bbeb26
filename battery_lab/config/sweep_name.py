"""Sweep name: names a sweep by its overrides, and stores the command of a sweep in its folder."""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Sequence
from pathlib import Path

from battery_lab.common.atomic_write import atomic_write
from battery_lab.common.errors import ConfigError, DataError
from battery_lab.common.run_folder import SWEEP_COMMAND

# Overrides that do not change what a sweep computes: launcher, retries, tracking, outputs. Two launcher options do
# change it: they start trials from a checkpoint, or evaluate only.
NO_EFFECT_ON_RESULTS = re.compile(
    r"^[+~]*(?!hydra\.launcher\.(checkpoint|evaluate_only)=)(launcher|sweep|hydra|tracking|outputs)([.=@/]|$)"
)
SEVERAL = re.compile(r"=[^\[{]*[,(]")  # varied overrides, which come first in a name
MAX_READABLE_LENGTH = 60


def sweep_name(overrides: Sequence[str]) -> str:
    """Return a readable and unique name for the sweep of some overrides, in any order."""
    own = sorted(own_choices(overrides), key=lambda choice: (not SEVERAL.search(choice), choice))
    readable = re.sub(r"[^A-Za-z0-9.,=+_-]+", "-", "_".join(own) or "defaults")[:MAX_READABLE_LENGTH].strip("-_.,")
    return f"{readable}_{hashlib.sha256(json.dumps(own).encode()).hexdigest()[:8]}"


def own_choices(overrides: Sequence[str]) -> list[str]:
    """Return the overrides that define what a sweep computes."""
    return [override for override in overrides if not NO_EFFECT_ON_RESULTS.match(override)]


def choices_of_trials(overrides: Sequence[str]) -> list[str]:
    """Return the overrides that define what trials compute, without the sweeper that combines them."""
    return [override for override in own_choices(overrides) if not override.lstrip("+").startswith("sweeper=")]


def store_command(folder: Path, arguments: Sequence[str]) -> None:
    """Write the arguments of a sweep's command to its folder."""
    command = {"arguments": list(arguments), "directory": os.getcwd()}
    atomic_write(folder / SWEEP_COMMAND, json.dumps(command, indent=1))


def load_command(folder: Path) -> tuple[list[str], str | None]:
    """Return the arguments of the command that started a sweep, and its working directory.

    Raises:
        ConfigError: the folder holds no sweep.
        DataError: it is damaged.
    """
    path = folder / SWEEP_COMMAND
    if not path.is_file():
        raise ConfigError(f"sweep.resume={folder} must name the folder of a sweep, which holds {SWEEP_COMMAND}")
    try:
        stored = json.loads(path.read_text())
        arguments, directory = stored["arguments"], stored.get("directory")
        if isinstance(arguments, list) and all(isinstance(argument, str) for argument in arguments):
            return arguments, None if directory is None else str(directory)
        why: object = "it holds no list of arguments"
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        why = error
    raise DataError(f"{path} is damaged ({why}): restore it, or run the sweep's own command again")
