"""Hydra error messages: an adapter that turns the texts of Hydra's exceptions into messages that name what was meant.

Hydra has no error codes, so this reads the texts of one minor version, ``HYDRA``. A test checks version and texts.
"""

from __future__ import annotations

import difflib
import re
import shlex
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from hydra.errors import ConfigCompositionException, HydraException, MissingConfigException, OverrideParseException
from omegaconf import DictConfig, OmegaConf

from battery_lab.common.errors import ConfigError
from battery_lab.config.conf_folder import conf_dir

HYDRA = "1.3"  # the minor version of hydra-core whose texts are read here
ADD_OPTION_REMEDY = "; to add your own, write <folder>/{path}.yaml and pass --config-dir <folder>"


def several_values_message(override: str, listed: bool = True) -> str:
    """Return the message for several values where one is possible.

    Args:
        override: the override as it was written.
        listed: whether the values could also be a list or a text.
    """
    key, _, value = override.partition("=")
    meant = f'; a list is "{key}=[{value}]", and text with commas in it "{key}=\'{value}\'"' if listed else ""
    return f"{override} has several values: add --multirun to run one trial per value{meant}"


def quoted_override(override: str) -> str:
    """Return an override as a shell takes it, with its value as text that Hydra does not split."""
    key, _, value = (override if "=" in override.strip("=") else "market.path=my prices/").partition("=")
    # A backslash before the closing quote, or before a quote, would be read with it.
    escaped = re.sub(r"(\\*)('|$)", lambda found: found[1] * 2 + ("\\'" if found[2] else ""), value)
    text = f"{key.strip()}='{escaped.strip()}'"
    return shlex.quote(text) if set('"$`!\\') & set(text) else f'"{text}"'


def override_error(
    error: HydraException, config: Mapping[str, Any], options_with: Callable[[str], Sequence[str]]
) -> ConfigError:
    """Return the error of an override with a suggestion of what was meant.

    Args:
        error: raised by Hydra.
        config: a composed configuration, whose names are suggested.
        options_with: returns the options of a key's group that have the key.
    """
    if isinstance(error, OverrideParseException):
        return ConfigError(
            f"{error.override!r} cannot be read: write key=value, without spaces around =, and quote what the shell or "
            f"Hydra would split: {quoted_override(error.override)} ({error.message.splitlines()[0]})"
        )
    text = str(error).partition("\nConfig search path")[0].strip()
    if isinstance(error, MissingConfigException) and error.missing_cfg_file:
        return ConfigError(no_option(str(error.missing_cfg_file), error.options, ADD_OPTION_REMEDY))
    if isinstance(error, ConfigCompositionException):
        match = re.match(r"Could not override '([^']+)'", text)
        if match:
            key = match[1].partition("@")[0]
            if key.startswith("hydra.launcher."):
                return ConfigError(f"{key} is not an option of the chosen launcher: see conf/launcher for its options")
            return ConfigError(no_key(key, config, options_with(key)))
        match = re.match(r"(Ambiguous value for argument|Sweep parameters) '([^\n]+)'", text)
        if match:
            is_option = (conf_dir() / match[2].partition("=")[0].lstrip("+")).is_dir()
            listed = match[1].startswith("Ambiguous") and not is_option
            return ConfigError(several_values_message(match[2], listed=listed))
        match = re.match(r"Could not append to config. An item is already at '([^']+)'", text)
        if match:
            return ConfigError(f"{match[1]} exists already: write {match[1]}=... without the +")
        match = re.match(r"Could not delete from config. '([^']+)' does not exist", text)
        if match:
            return ConfigError(f"~{match[1]}: {no_key(match[1], config)}")
    reason = f" ({error.__cause__})" if error.__cause__ else ""
    return ConfigError(" ".join((text + reason).split()))


def no_option(path: str, options: Sequence[str] | None = None, otherwise: str = "") -> str:
    """Return the message for an option that does not exist.

    Args:
        path: such as ``algo/pppo``.
        options: the names that exist; None: those of conf/.
        otherwise: added if no name is similar; ``{path}`` stands for the path.
    """
    group, _, name = path.removesuffix(".yaml").rpartition("/")
    names = sorted(options or (file.stem for file in (conf_dir() / group).glob("*.yaml")))
    if not group or not names:
        return f"{path} is not an option: there is no such file in conf/ or in the folder given with --config-dir"
    meant = _meant(name, names, f"{group}=") or (otherwise.format(path=f"{group}/{name}") if name else "")
    return f"{group}={name} is not an option: {group} can be {', '.join(names)}{meant}"


def no_key(key: str, config: Mapping[str, Any], options: Sequence[str] = ()) -> str:
    """Return the message for a key that does not exist.

    Args:
        key: the key as it was written.
        config: the configuration.
        options: options of its group that have the key.
    """
    parent, rest = "", key.split(".")
    # If the option of a group is refused, the configuration may be that of the defaults, which have the group.
    if (rest[0] not in config or not rest[1:]) and (owners := _owners(rest[0])):
        return f"{key} is not an option of this trial: only {' or '.join(owners)} has the group {rest[0]}"
    node: Any = config
    while len(rest) > 1 and isinstance(node, Mapping) and isinstance(node.get(rest[0]), Mapping):
        parent, node = f"{parent}{rest[0]}.", node[rest[0]]
        rest = rest[1:]
    if not parent and len(rest) > 1 and rest[0] in node:
        return f"{key} is not an option: {rest[0]} is a single value, so write {rest[0]}=..."
    names = sorted(str(name) for name in node if not str(name).startswith("_"))
    if not parent:
        names = sorted({*names, *_groups()} - {"resume", "rerun", "choices"})
    meant = _meant(rest[0], names, parent, ".".join(["", *rest[1:]]))
    if not meant and not parent:
        places = sorted(place for place in _keys(config) if place.endswith(f".{key}"))
        meant = f"; did you mean {' or '.join(places[:3])}?" if places else ""
    if options:
        meant = f"; it exists with {' or '.join(options)}"
    where = f"{parent.rstrip('.')} has" if parent else "there are"
    return f"{key} is not an option: {where} {', '.join(names) or 'none'}{meant}"


def _meant(name: str, names: Sequence[str], before: str = "", after: str = "") -> str:
    close = difflib.get_close_matches(name, names, n=1) or [known for known in names if name and known.startswith(name)]
    return f"; did you mean {before}{close[0]}{after}?" if close else ""


def _owners(group: str) -> list[str]:
    """Return the options that add a group to a trial, such as ``env=battery`` for ``market``."""
    owners = []
    for path in sorted(conf_dir().glob("*/*.yaml")):
        option: Any = OmegaConf.load(path)
        entries = option.get("defaults", []) if isinstance(option, DictConfig) else []
        names = [str(name) for entry in entries if isinstance(entry, DictConfig) for name in entry]
        if any(name.partition("@")[0] == f"/{group}" for name in names):
            owners.append(f"{path.parent.name}={path.stem}")
    return owners


def _groups() -> list[str]:
    return [path.name for path in conf_dir().iterdir() if path.is_dir()]


def _keys(config: Mapping[str, Any], before: str = "") -> Iterator[str]:
    for key, value in config.items():
        yield f"{before}{key}"
        if isinstance(value, Mapping):
            yield from _keys(value, f"{before}{key}.")
