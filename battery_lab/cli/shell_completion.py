"""Shell completion: Hydra completes overrides, and this adds the subcommands.

``eval "$(battery-lab train -sc install=bash)"`` installs Hydra's completion. The shell then calls
``battery-lab -sc query=bash`` with the line so far in the variable COMP_LINE.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence

FLAGS = {"-sc", "--shell-completion"}
LINE = "COMP_LINE"


def is_query(arguments: Sequence[str]) -> bool:
    """Return whether a shell requests the completions of a line."""
    return bool(FLAGS & set(arguments)) and any(argument.startswith("query=") for argument in arguments)


def complete_commands(commands: Mapping[str, Sequence[str]], arguments: Sequence[str]) -> bool:
    """Print the subcommands that match, and remove a complete one from the line before Hydra reads it.

    Args:
        commands: the subcommands, each with its own subcommands.
        arguments: the query; fish reads one name per line, other shells read names between blanks.

    Returns:
        Whether Hydra's overrides can follow.
    """
    program, *words = os.environ.get(LINE, "").split(" ")
    separator = "\n" if "query=fish" in arguments else " "
    if len(words) == 1:
        print(separator.join(name for name in commands if name.startswith(words[0])))
    elif words and (inner := commands.get(words[0])):
        print(separator.join(name for name in inner if len(words) == 2 and name.startswith(words[1])))
        return False
    elif words and words[0] in commands:
        os.environ[LINE] = " ".join([program, *words[1:]])
    return True
