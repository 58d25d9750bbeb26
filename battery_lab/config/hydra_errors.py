"""Hydra's errors, explained: which option or key was meant, in one message."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from hydra.errors import ConfigCompositionException, HydraException, MissingConfigException, OverrideParseException

from battery_lab.common.errors import ConfigError
from battery_lab.config.paths import conf_dir

OWN = "; one of your own is <folder>/{path}.yaml, with --config-dir <folder> in front"


def several(override: str, listed: bool = True) -> str:
    """Return what to say of several values where there can be one.

    Args:
        override: as it was written.
        listed: whether the values may be meant as a list or as text.
    """
    key, _, value = override.partition("=")
    meant = f'; a list is "{key}=[{value}]", and text with commas in it "{key}=\'{value}\'"' if listed else ""
    return f"{override} is more than one trial can take: with --multirun in front each makes a trial of its own{meant}"


def explained(
    error: HydraException, config: Mapping[str, Any], options_with: Callable[[str], Sequence[str]]
) -> ConfigError:
    """Return what Hydra says of a choice, with what could be meant.

    Args:
        error: Hydra's.
        config: a composed configuration, for the names in it.
        options_with: returns the options of a key's group under which there is such a key.
    """
    if isinstance(error, OverrideParseException):
        return ConfigError(
            f"{error.override!r} cannot be read: write key=value, without spaces around =, and quote what the shell or "
            f"Hydra would split, for instance \"market.path='my prices/'\" ({error.message.splitlines()[0]})"
        )
    text = str(error).partition("\nConfig search path")[0].strip()
    if isinstance(error, MissingConfigException) and error.missing_cfg_file:
        return ConfigError(no_option(str(error.missing_cfg_file), error.options, OWN))
    if isinstance(error, ConfigCompositionException):
        found = re.match(r"Could not override '([^']+)'", text)
        if found:
            key = found[1].partition("@")[0]
            if key.startswith("hydra.launcher."):
                return ConfigError(f"{key} is no option of the launcher that is chosen: conf/launcher has them all")
            return ConfigError(no_key(key, config, options_with(key)))
        found = re.match(r"(Ambiguous value for argument|Sweep parameters) '([^\n]+)'", text)
        if found:
            return ConfigError(several(found[2], listed=found[1].startswith("Ambiguous")))
        found = re.match(r"Could not append to config. An item is already at '([^']+)'", text)
        if found:
            return ConfigError(f"{found[1]} is there already: write {found[1]}=... without the +")
        found = re.match(r"Could not delete from config. '([^']+)' does not exist", text)
        if found:
            return ConfigError(f"~{found[1]}: {no_key(found[1], config)}")
    reason = f" ({error.__cause__})" if error.__cause__ else ""
    return ConfigError(" ".join((text + reason).split()))


def no_option(path: str, options: Sequence[str] | None = None, otherwise: str = "") -> str:
    """Return what to say of an option that is not there.

    Args:
        path: such as ``algo/pppo``.
        options: the names that are; None: those of the lab's own.
        otherwise: what to add if it is like none of them; with the path put in for ``{path}``.
    """
    group, _, name = path.removesuffix(".yaml").rpartition("/")
    names = sorted(options or (file.stem for file in (conf_dir() / group).glob("*.yaml")))
    if not group or not names:
        return f"{path} is no option: there is no such file in conf/ or in the folder given with --config-dir"
    meant = _meant(name, names, f"{group}=") or (otherwise.format(path=f"{group}/{name}") if name else "")
    return f"{group}={name} is no option: {group} can be {', '.join(names)}{meant}"


def no_key(key: str, config: Mapping[str, Any], options: Sequence[str] = ()) -> str:
    """Return what to say of a key that is not there.

    Args:
        key: as it was written.
        config: where it is not.
        options: choices under which it would be.
    """
    parent, rest = "", key.split(".")
    node: Any = config
    while len(rest) > 1 and isinstance(node, Mapping) and isinstance(node.get(rest[0]), Mapping):
        parent, node = f"{parent}{rest[0]}.", node[rest[0]]
        rest = rest[1:]
    if not parent and len(rest) > 1 and rest[0] in node:
        return f"{key} is no option: {rest[0]} is a single value, so write {rest[0]}=..."
    names = sorted(str(name) for name in node if not str(name).startswith("_"))
    if not parent:
        names = sorted({*names, *_groups()} - {"resume", "rerun", "choices"})
    meant = _meant(rest[0], names, parent, ".".join(["", *rest[1:]]))
    if not meant and not parent:
        places = sorted(place for place in _keys(config) if place.endswith(f".{key}"))
        meant = f"; did you mean {' or '.join(places[:3])}?" if places else ""
    if options:
        meant = f"; there is one with {' or '.join(options)}"
    where = f"{parent.rstrip('.')} has" if parent else "there are"
    return f"{key} is no option: {where} {', '.join(names) or 'none'}{meant}"


def _meant(name: str, names: Sequence[str], before: str = "", after: str = "") -> str:
    close = difflib.get_close_matches(name, names, n=1) or [known for known in names if name and known.startswith(name)]
    return f"; did you mean {before}{close[0]}{after}?" if close else ""


def _groups() -> list[str]:
    return [path.name for path in conf_dir().iterdir() if path.is_dir()]


def _keys(config: Mapping[str, Any], before: str = "") -> Iterator[str]:
    for key, value in config.items():
        yield f"{before}{key}"
        if isinstance(value, Mapping):
            yield from _keys(value, f"{before}{key}.")
