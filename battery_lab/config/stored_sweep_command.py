"""Stored sweep command: the arguments that started a sweep, in a file of its folder for `sweep.resume`."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path

from battery_lab.common.atomic_write import atomic_write
from battery_lab.common.errors import ConfigError, DataError
from battery_lab.common.run_folder import SWEEP_COMMAND


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
