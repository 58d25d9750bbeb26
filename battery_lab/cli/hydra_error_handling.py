"""Hydra's entry: its errors are raised instead of printed, and explained."""

from __future__ import annotations

import os
import re
import shlex
import traceback
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stderr
from io import StringIO
from pathlib import Path
from typing import Any

from hydra._internal.utils import get_args_parser
from hydra.errors import HydraException
from omegaconf import OmegaConf
from omegaconf.errors import InterpolationResolutionError

from battery_lab.cli.error_messages import TRACEBACK_VARIABLE
from battery_lab.common.errors import ConfigError, LabError, causes, shorten
from battery_lab.common.run_folder import RunFolder
from battery_lab.config.compose import names_in, options_with
from battery_lab.config.hydra_error_messages import override_error
from battery_lab.config.override_kinds import is_group
from battery_lab.config.stored_trial import load_trial

WORD = re.compile(r"\w{3,}")


@contextmanager
def hydra_raises() -> Iterator[None]:
    """Have Hydra raise its errors; otherwise it prints them and ends the process."""
    before = os.environ.get(TRACEBACK_VARIABLE)
    os.environ[TRACEBACK_VARIABLE] = "1"
    try:
        yield
    finally:
        os.environ.pop(TRACEBACK_VARIABLE)
        if before is not None:
            os.environ[TRACEBACK_VARIABLE] = before


@contextmanager
def hydra_errors_explained(arguments: Sequence[str]) -> Iterator[None]:
    """Turn Hydra's errors into ConfigErrors that name what the user may have meant.

    Args:
        arguments: the arguments as Hydra reads them.
    """
    try:
        yield
    except HydraException as error:
        # An interrupt may surface as an error of Hydra.
        if any(isinstance(cause, KeyboardInterrupt) for cause in causes(error)):
            raise
        explained = override_error(error, _names(arguments), options_with)
        if not any(word in str(explained) for argument in arguments for word in WORD.findall(argument)):
            explained = ConfigError(f"{explained}, in the command {shorten(shlex.join(arguments))}")
        raise explained from error
    except Exception as error:
        # An interpolation that fails has a message of its own; see ``exit_message``.
        if not _raised_by_hydra(error) or isinstance(error, InterpolationResolutionError | LabError | OSError):
            raise
        reason = " ".join(f"{type(error).__name__}: {error}".replace("NoneType", "null").split())
        raise ConfigError(
            f"Hydra cannot read the command {shorten(shlex.join(arguments))} ({shorten(reason)}): correct or leave out "
            "the argument that it names"
        ) from error


@contextmanager
def missing_package_named(arguments: Sequence[str]) -> Iterator[None]:
    """Raise ConfigError where ``--package`` names no part of the configuration, about which Hydra prints a line."""
    given, _ = get_args_parser().parse_known_args(list(arguments))
    if given.package is None:
        yield
        return
    try:
        with redirect_stderr(StringIO()):
            yield
    except SystemExit as end:
        if end.code:
            raise ConfigError(
                f"--package {given.package} is no part of the configuration: --cfg job shows all"
            ) from None
        raise


def _raised_by_hydra(error: Exception) -> bool:
    """Return whether an error was raised by Hydra while it read the arguments, and not by the trial that it ran."""
    frames = [Path(frame.filename).parts for frame in traceback.extract_tb(error.__traceback__)]
    place = max((number for number, parts in enumerate(frames) if "hydra" in parts), default=None)
    return place is not None and not any({"battery_lab", "hydra_plugins"} & {*parts} for parts in frames[place:])


def _names(arguments: Sequence[str]) -> Mapping[str, Any]:
    """Return the configuration that a misspelt name was meant for."""
    given, _ = get_args_parser().parse_known_args(list(arguments))
    if given.config_name == Path(RunFolder.TRIAL).stem:
        stored = OmegaConf.to_container(load_trial(Path(given.config_dir)), resolve=False)
        return {str(key): value for key, value in stored.items()} if isinstance(stored, dict) else {}
    own = [f"hydra.searchpath=['file://{Path(given.config_dir).resolve()}']"] if given.config_dir else []
    return names_in([*own, *(override for override in given.overrides if is_group(override))])
