"""Shell completion: Hydra completes overrides, and this adds the subcommands.

``eval "$(battery-lab train -sc install=bash)"`` installs Hydra's completion. The shell then calls
``battery-lab -sc query=bash`` with the line so far in the variable COMP_LINE.
"""

from __future__ import annotations

import os
from collections.abc import Sequence

FLAGS = {"-sc", "--shell-completion"}
LINE = "COMP_LINE"


def is_query(arguments: Sequence[str]) -> bool:
    """Return whether a shell requests the completions of a line."""
    return bool(FLAGS & set(arguments)) and any(argument.startswith("query=") for argument in arguments)


def complete_commands(names: Sequence[str]) -> None:
    """Print the subcommands that match, and remove a complete one from the line before Hydra reads it."""
    program, *words = os.environ.get(LINE, "").split(" ")
    if len(words) == 1:
        print(" ".join(name for name in names if name.startswith(words[0])))
    elif words and words[0] in names:
        os.environ[LINE] = " ".join([program, *words[1:]])
