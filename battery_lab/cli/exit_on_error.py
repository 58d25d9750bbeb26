"""Command exit: a command that fails prints one message and ends with an exit status."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from battery_lab.cli.error_messages import ExitMessage, exit_message, shows_traceback
from battery_lab.common.stop_signals import stop_at_once


class CommandExit(BaseException):
    """Ends a command with a message that is known already; no Exception, so that nothing in between handles it.

    Attributes:
        exit_message: the message and the exit status.
        error: the error that ended the run.
    """

    def __init__(self, exit_message: ExitMessage, error: BaseException) -> None:
        super().__init__(*exit_message)
        self.exit_message, self.error = exit_message, error


@contextmanager
def exit_with_message() -> Iterator[None]:
    """End the process with one message where a user's error or a signal ends the command.

    Other errors keep their traceback, and HYDRA_FULL_ERROR=1 shows it for all.
    """
    with stop_at_once():
        try:
            yield
        except CommandExit as command_exit:
            if shows_traceback():
                raise command_exit.error from command_exit.error.__cause__
            _exit(command_exit.exit_message)
        except (Exception, KeyboardInterrupt) as error:
            message = exit_message(error)
            if message is None or shows_traceback():
                raise
            _exit(message)


def _exit(message: ExitMessage) -> None:
    print(message.text, file=sys.stderr)
    sys.exit(message.status)
