"""The shape of every command: help, the work, and one message and an exit status for what ends it early."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from battery_lab.cli.error_messages import Ending, check_logins, told, wants_traceback
from battery_lab.common.errors import ConfigError
from battery_lab.common.signals import stop_at_once


class Ended(BaseException):
    """A person is told already how a run ends; no Exception, so that what runs it adds nothing of its own.

    Attributes:
        ending: the message and the exit status.
        error: what ended the run.
    """

    def __init__(self, ending: Ending, error: BaseException) -> None:
        """Remember the ending and the error."""
        super().__init__(*ending)
        self.ending, self.error = ending, error


def command(run: Callable[[list[str]], object], help_text: str | None, arguments: Sequence[str] | None = None) -> None:
    """Run a command that takes ``key=value`` arguments.

    Args:
        run: the work; takes the arguments.
        help_text: printed for ``--help`` and where nothing is given.
        arguments: None: those of the process.
    """
    given = list(sys.argv[1:] if arguments is None else arguments)
    if not given or {"-h", "--help"} & set(given):
        print(help_text)
        return
    with clear_ending():
        check_logins(given)
        run(given)


def keyed(arguments: Sequence[str], names: Sequence[str] | None = None) -> dict[str, str]:
    """Return ``key=value`` arguments by their keys.

    Args:
        arguments: as they were typed.
        names: the keys that there are; None: any.

    Raises:
        ConfigError: one is written otherwise, is not known or is there twice.
    """
    chosen: dict[str, str] = {}
    for argument in arguments:
        key, sign, value = argument.partition("=")
        if not sign:
            example = f"{names[0] if names else 'run'}=outputs/runs/<run>"
            raise ConfigError(f"{argument!r} must be written as key=value, for instance {example}")
        if names is not None and key not in names:
            raise ConfigError(f"{argument!r} must be one of {', '.join(f'{name}=...' for name in names)}")
        if key in chosen:
            raise ConfigError(f"{key}={chosen[key]} and {key}={value} cannot be had together: leave one out")
        chosen[key] = value
    return chosen


def folder_in(value: str) -> Path:
    """Return the folder that a value of the command line names."""
    return Path(value.strip("'\"")).expanduser()


@contextmanager
def clear_ending(tell: Callable[[BaseException], Ending | None] = told) -> Iterator[None]:
    """End the process with one message, unless the fault is the lab's own or a traceback is asked for.

    Args:
        tell: returns the message and exit status of an error, or None where the fault is not a person's.
    """
    with stop_at_once():
        try:
            yield
        except Ended as ended:
            if wants_traceback():
                raise ended.error from ended.error.__cause__
            _exit(ended.ending)
        except (Exception, KeyboardInterrupt) as error:
            ending = tell(error)
            if ending is None or wants_traceback():
                raise
            _exit(ending)


def _exit(ending: Ending) -> None:
    print(ending[0], file=sys.stderr)
    sys.exit(ending[1])
