"""Subcommand arguments: ``key=value``, as in Hydra's overrides, without credentials; folders and trial numbers."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from battery_lab.common.errors import ConfigError, shorten

MOST_DIGITS = 4300  # of Python, unless it is set otherwise
DIGITS = re.compile(rf"[\d_]{{{MOST_DIGITS + 1},}}")
CREDENTIALS = re.compile(r"://[^/\s]*@|https?://\S*\?")


def key_values(arguments: Sequence[str], names: Sequence[str] | None = None) -> dict[str, str]:
    """Return ``key=value`` arguments by key.

    Args:
        arguments: the arguments as they were typed.
        names: the keys that are allowed; None: any, and ``~key``, which has no value.

    Raises:
        ConfigError: an argument has another form, is not allowed or is there twice.
    """
    chosen: dict[str, str] = {}
    for argument in arguments:
        key, sign, value = argument.partition("=")
        if not sign and not (names is None and key.startswith("~")):
            example = f"{names[0] if names else 'run'}=outputs/runs/<run>"
            raise ConfigError(f"{argument!r} must be written as key=value, for instance {example}")
        if names is not None and key not in names:
            raise ConfigError(f"{argument!r} must be one of {', '.join(f'{name}=...' for name in names)}")
        if key in chosen:
            raise ConfigError(f"{key}={chosen[key]} and {key}={value} cannot be combined: leave one out")
        chosen[key] = value
    return chosen


def check_credentials(arguments: Sequence[str]) -> None:
    """Raise ConfigError where an address holds credentials or a query, before anything stores it."""
    for argument in arguments:
        key, _, value = argument.partition("=")
        if CREDENTIALS.search(value):
            raise ConfigError(
                f"{key} must not contain a user, password or query, which would be stored with the results: leave them "
                "out of the address; MLflow reads them from MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD"
            )


def check_digits(arguments: Sequence[str]) -> None:
    """Raise ConfigError where a number has more digits than Python reads."""
    for argument in arguments:
        if digits := DIGITS.search(argument):
            key = shorten(argument.partition("=")[0])
            raise ConfigError(
                f"{key} must not hold a number of more than {MOST_DIGITS} digits, got one of {len(digits[0])}: write "
                "it shorter, such as 2e6"
            )


def refuse_misspelt(command: str, keys: Iterable[str], names: Sequence[str]) -> None:
    """Raise ConfigError for a key that is close to an argument of a command, but is none.

    Args:
        command: the command.
        keys: the keys that were typed.
        names: the command's own arguments.
    """
    for key in keys:
        if key not in names and (close := difflib.get_close_matches(key, names, n=1, cutoff=0.75)):
            raise ConfigError(f"{key} is not an argument of battery-lab {command}; did you mean {close[0]}?")


def run_folder(chosen: dict[str, str]) -> Path:
    """Return the folder that ``run=`` names.

    Raises:
        ConfigError: there is no ``run=``.
    """
    if not chosen.get("run"):
        raise ConfigError("run=<folder> must name the folder of a run, for instance run=outputs/runs/<run>")
    return folder(chosen["run"])


def folder(value: str) -> Path:
    """Return the folder that a value of the command line names."""
    return Path(value.strip("'\"")).expanduser()


def sweep_folder(command: str, arguments: Sequence[str]) -> tuple[Path, list[str]]:
    """Return the sweep folder, which is the first argument, and the other arguments.

    Raises:
        ConfigError: there is none.
    """
    if not arguments:
        raise ConfigError(f"{command} needs the folder of a sweep: battery-lab sweep {command} outputs/sweeps/<sweep>")
    return folder(arguments[0]), list(arguments[1:])


def trial_number(text: str) -> int:
    """Return the number of a trial of a sweep.

    Raises:
        ConfigError: the argument is no number.
    """
    if not text.isdecimal():
        raise ConfigError(f"{text} must be the number of a trial: first the folder of the sweep, then numbers")
    return int(text)


def refuse_retraining(command: str, keys: Iterable[str], allowed: Sequence[str]) -> None:
    """Raise ConfigError for a key that would make the trial another one than the policy was trained on."""
    for key in keys:
        name = key.lstrip("+~")
        if not any(name == free or name.startswith(f"{free}.") for free in allowed):
            raise ConfigError(
                f"{key} cannot change, as the policy is already trained: battery-lab {command} takes "
                f"{', '.join(allowed)}; to train another policy, use battery-lab train"
            )


def refuse_more(command: str, rest: Sequence[str]) -> None:
    """Raise ConfigError where a command that takes a folder alone is given more."""
    if rest:
        raise ConfigError(f"{command} takes only the folder of a sweep, got also {' '.join(rest)}")
