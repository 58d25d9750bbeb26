"""MLflow parameters: a composed configuration as flat names and short texts without credentials."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from battery_lab.common.trial_digest import CHOICES
from battery_lab.tracking.public_address import public

# Limits of mlflow.utils.validation, in versions 2 and 3.
KEY_LENGTH, VALUE_LENGTH = 250, 6000
_FORBIDDEN = re.compile(r"[^\w\-. :/]", re.ASCII)


def flat_params(config: Mapping[str, Any]) -> dict[str, str]:
    """Return a configuration as ``{"choice.algo": "ppo", "algo.lr": "0.0003", ...}``.

    A list of plain values is one parameter; a list of mappings (reward terms, features) is one parameter per value. A
    group that another group contains unchanged (``env.market`` is ``market``) appears once, under its own name.
    """
    kept = {key: value for key, value in config.items() if key not in ("resume", "rerun", "sweep", CHOICES)}
    groups = {key: value for key, value in kept.items() if isinstance(value, Mapping)}
    flat = {valid_name(path): _text(value) for path, value in _leaves(kept, "", groups)}
    return choices(config) | flat


def choices(config: Mapping[str, Any]) -> dict[str, str]:
    """Return the option of each group, as ``{"choice.algo": "ppo", ...}``; empty if unknown."""
    chosen = config.get(CHOICES) or {}
    return {valid_name(f"choice.{group}"): _text(option) for group, option in chosen.items()}


def valid_name(name: str) -> str:
    """Return a name that MLflow accepts for a parameter or a metric."""
    return _FORBIDDEN.sub("_", name)[:KEY_LENGTH]


def _leaves(value: Any, path: str, groups: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping) and value:
        children: Any = value.items()
    elif isinstance(value, list) and any(isinstance(item, Mapping | list) for item in value):
        children = enumerate(value)
    else:
        yield path, value
        return
    for key, child in children:
        if not (path and key in groups and child == groups[key]):
            yield from _leaves(child, f"{path}.{key}" if path else str(key), groups)


def _text(value: Any) -> str:
    text = public(value) if isinstance(value, str) and "://" in value else value
    text = text if isinstance(text, str) else json.dumps(text, default=str)
    return text if len(text) <= VALUE_LENGTH else text[: VALUE_LENGTH - 1] + "…"
