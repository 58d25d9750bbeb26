"""Errors that users can fix, shown without a traceback."""

from __future__ import annotations

from collections.abc import Container, Iterator
from pathlib import Path


class LabError(Exception):
    """An invalid option or input: shown as one message, without a traceback.

    The message names the field, the rule, the value and the remedy.
    """


class ConfigError(LabError, ValueError):
    """An option with an invalid value."""


class DataError(LabError, ValueError):
    """A file that cannot be used as it is."""


def shorten(text: str, longest: int = 300) -> str:
    """Return a text for a message; the middle of a long one is left out."""
    half = longest // 2
    return text if len(text) <= longest else f"{text[:half]} ... {text[-half:]}"


def require(condition: bool, field: str, rule: str, value: object) -> None:
    """Raise ConfigError unless a rule holds.

    Args:
        condition: whether the rule holds.
        field: the option as users write it, for instance ``battery.power_mw``.
        rule: the rule in words, for instance ``must be greater than 0 MW``.
        value: the value of the option.
    """
    if not condition:
        raise ConfigError(f"{field} {rule}, got {value!r}")


def require_choice(field: str, value: object, choices: Container[object]) -> None:
    """Raise ConfigError unless a value is one of those that are allowed."""
    if value not in choices:
        raise ConfigError(f"{field} must be one of {choices}, got {value!r}")


def damaged(path: Path, why: object, remedy: str = "run the trial again") -> DataError:
    """Return the error for a file of a run that cannot be read.

    Args:
        path: the file.
        why: the reason.
        remedy: what to do without a backup.
    """
    return DataError(f"{path} is damaged ({' '.join(str(why).split())}): restore it from a backup, or {remedy}")


def diverged(
    values: str, options: str = "learning rate (algo.lr; of SAC, algo.actor_lr and algo.critic_lr)"
) -> LabError:
    """Return the error for a training that diverged.

    Args:
        values: what is not finite, a plural such as ``the policy's bids``.
        options: the options to lower.
    """
    return LabError(f"the training diverged, as {values} are not finite: start again with a lower {options}")


def causes(error: BaseException | None) -> Iterator[BaseException]:
    """Yield an error and its causes. The chain may contain a cycle, if an error was raised again."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or error.__context__
