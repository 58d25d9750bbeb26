"""The dataclasses that plain YAML names by ``_target_``: each key and the type of each value held to their fields."""

from __future__ import annotations

import dataclasses
import difflib
import importlib
import logging
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from battery_lab.common.errors import ConfigError, require

TARGET = "_target_"
KINDS = {"int": "a whole number", "float": "a number", "bool": "true or false", "str": "text", "None": "null"}
LISTS = re.compile(r"(?:tuple|list|Sequence)\[(int|float|bool|str)(?:, \.\.\.)?\]")


def check_targets(plain: dict[str, Any]) -> None:
    """Raise ConfigError where a part has a key that its target does not know, lacks one, or has one of another type."""
    for path, node in _nodes(plain, ""):
        fields = {field.name: field for field in dataclasses.fields(_target(path, node[TARGET]))}
        given = {key for key in node if not key.startswith("_")}
        for key in sorted(given - set(fields)):
            close = difflib.get_close_matches(key, fields, n=1)
            hint = f"; did you mean {path}.{close[0]}?" if close else ""
            raise ConfigError(
                f"{path}.{key} is no option of {node[TARGET]}, which has {', '.join(sorted(fields))}{hint}"
            )
        for key in sorted(set(fields) - given):
            raise ConfigError(f"{path}.{key} is missing: {node[TARGET]} needs it, so name it in the YAML of {path}")
        for key, field in fields.items():
            _check_type(f"{path}.{key}", _annotation(field), node[key])


def _check_type(path: str, annotation: str, value: Any) -> None:
    parts = [part.strip() for part in annotation.split("|")]
    inner = LISTS.fullmatch(annotation)
    if inner:
        good = isinstance(value, list) and all(is_a(inner[1], item) for item in value)
        require(good, path, f"must be a list, each item {KINDS[inner[1]]}", value)
    elif all(part in KINDS for part in parts):
        rule = " or ".join(KINDS[part] for part in parts)
        require(any(is_a(part, value) for part in parts), path, f"must be {rule}", value)


def is_a(kind: str, value: Any) -> bool:
    """Return whether a value from YAML is of a kind; a whole float such as 2e6 is a whole number."""
    if kind == "None":
        return value is None
    if kind in ("bool", "str"):
        return isinstance(value, bool if kind == "bool" else str)
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return number and (kind == "float" or float(value).is_integer())


def whole(value: Any) -> Any:
    """Return a plain configuration with whole floats, such as 2e6, as int where a target wants one."""
    if isinstance(value, list):
        return [whole(item) for item in value]
    if not isinstance(value, dict):
        return value
    fields = dataclasses.fields(_target("", value[TARGET])) if TARGET in value else ()
    ints = {field.name for field in fields if {"int", "Int"} & set(re.split(r"\W+", _annotation(field)))}
    ints -= {field.name for field in fields if "float" in _annotation(field)}
    return {key: _as_int(item) if key in ints else whole(item) for key, item in value.items()}


def _as_int(value: Any) -> Any:
    if isinstance(value, list):
        return [_as_int(item) for item in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _annotation(field: dataclasses.Field[Any]) -> str:
    """Return a field's type as it is written; without postponed annotations it is a type already."""
    return field.type if isinstance(field.type, str) else getattr(field.type, "__name__", str(field.type))


def _nodes(value: Any, path: str) -> Iterator[tuple[str, dict[str, Any]]]:
    if isinstance(value, dict):
        if TARGET in value:
            yield path, value
        for key, child in value.items():
            yield from _nodes(child, f"{path}.{key}" if path else str(key))
    elif isinstance(value, list):
        for place, child in enumerate(value):
            yield from _nodes(child, f"{path}[{place}]")


def _target(path: str, name: str) -> Any:
    module, _, attribute = str(name).rpartition(".")
    try:
        with quiet():
            target = getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError, ValueError) as error:
        raise ConfigError(f"{path}._target_={name} cannot be imported: {error}. Is its folder on PYTHONPATH?") from None
    if not dataclasses.is_dataclass(target):
        raise ConfigError(f"{path}._target_={name} must name a dataclass, so that its options can be checked")
    return target


@contextmanager
def quiet() -> Iterator[None]:
    """Keep imports from logging; what a person needs to know is raised or printed by the lab itself."""
    # RLlib imports TensorFlow where that is installed, which costs 5 s of every start.
    os.environ.setdefault("RLLIB_TEST_NO_TF_IMPORT", "1")
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(before)
        # Ray sets the levels anew when it is imported.
        for name in ("ray", "ray.rllib"):
            logging.getLogger(name).setLevel(logging.ERROR)
