"""Override text: values as overrides that Hydra reads back, and commands that can be pasted into a shell."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping, Sequence
from typing import Any

from battery_lab.config.override_kinds import yaml_value

# Texts that need no quotes: Hydra reads them as text, and they are no number, null, list or choice.
BARE = re.compile(r"[A-Za-z/~][\w./~%@:+-]*")
# What a shell replaces within double quotes.
EXPANDED = re.compile(r'["$`\\!]')
# What has a meaning in Hydra's mappings.
SPECIAL = re.compile(r"[\\()\[\]{}:=,]")


def override(key: str, value: Any) -> str:
    """Return an override that gives a key a value, with the quotes that Hydra needs.

    Args:
        key: the key.
        value: None, a truth value, a number, a text, or a list or mapping of these.
    """
    return f"{key}={_written(value)}"


def shell_command(arguments: Sequence[str]) -> str:
    """Return arguments as a command for a shell, with the quotes that it needs."""
    return " ".join(map(_shell_word, arguments))


def _shell_word(argument: str) -> str:
    # Hydra's quotes are single ones: double ones around them are easier to read.
    return f'"{argument}"' if "'" in argument and not EXPANDED.search(argument) else shlex.quote(argument)


def _written(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{_key(str(name))}: {_written(item)}" for name, item in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ",".join(map(_written, value)) + "]"
    return _quoted(str(value))


def _key(name: str) -> str:
    """Return a key of a mapping, which takes no quotes."""
    return SPECIAL.sub(r"\\\g<0>", name)


def _quoted(text: str) -> str:
    # OmegaConf would resolve a reference.
    text = re.sub(r"(\\*)(\$\{)", lambda match: match[1] * 2 + "\\${", text)
    if BARE.fullmatch(text) and yaml_value(f"x={text}") == text:
        return text
    # Within quotes, a backslash is special before a quote and at the end only.
    escaped = re.sub(r"(\\*)(')", lambda match: match[1] * 2 + "\\'", text)
    escaped = re.sub(r"(\\+)$", lambda match: match[1] * 2, escaped)
    return f"'{escaped}'"
