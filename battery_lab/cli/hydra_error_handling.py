"""Hydra's entry: its errors are raised instead of printed, and explained."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from hydra._internal.utils import get_args_parser
from hydra.errors import HydraException
from omegaconf import OmegaConf

from battery_lab.cli.error_messages import TRACEBACK_VARIABLE
from battery_lab.common.errors import causes
from battery_lab.common.run_folder import RunFolder
from battery_lab.config.compose import names_in, options_with
from battery_lab.config.hydra_error_messages import override_error
from battery_lab.config.override_kinds import is_group
from battery_lab.config.stored_trial import load_trial


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
        raise override_error(error, _names(arguments), options_with) from error


def _names(arguments: Sequence[str]) -> Mapping[str, Any]:
    """Return the configuration that a misspelt name was meant for."""
    given, _ = get_args_parser().parse_known_args(list(arguments))
    if given.config_name == Path(RunFolder.TRIAL).stem:
        stored = OmegaConf.to_container(load_trial(Path(given.config_dir)), resolve=False)
        return {str(key): value for key, value in stored.items()} if isinstance(stored, dict) else {}
    own = [f"hydra.searchpath=['file://{Path(given.config_dir).resolve()}']"] if given.config_dir else []
    return names_in([*own, *(override for override in given.overrides if is_group(override))])
