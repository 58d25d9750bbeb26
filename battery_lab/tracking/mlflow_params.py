"""A composition as MLflow's parameters: flat names, short texts, nothing secret."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from battery_lab.tracking.sync_state import public

# Limits of mlflow.utils.validation, which servers of version 2 and 3 share.
KEY_LENGTH, VALUE_LENGTH = 250, 6000
# The key of a composition under which the names of the chosen options stand, by group; its values say the same in full.
CHOICES = "choices"
# Where a run lies and from which folder it came says nothing about the trial.
PLACES = ("outputs", "tracking", "resume", "rerun", "sweep")
_FORBIDDEN = re.compile(r"[^\w\-. :/]", re.ASCII)


def flat_params(config: Mapping[str, Any]) -> dict[str, str]:
    """Return a composition as ``{"choice.algo": "ppo", "algo.lr": "0.0003", ...}``.

    Lists of plain values are one parameter; of mappings (reward terms, features) one for each of their values. A group
    that another one takes over whole (``env.market`` is ``market``) is there once, under its own name.
    """
    kept = {key: value for key, value in config.items() if key not in ("resume", "rerun", "sweep", CHOICES)}
    groups = {key: value for key, value in kept.items() if isinstance(value, Mapping)}
    flat = {valid_name(path): _text(value) for path, value in _leaves(kept, "", groups)}
    return choices(config) | flat


def choices(config: Mapping[str, Any]) -> dict[str, str]:
    """Return which option was chosen in each group, as ``{"choice.algo": "ppo", ...}``; empty if it is not known."""
    chosen = config.get(CHOICES) or {}
    return {valid_name(f"choice.{group}"): _text(option) for group, option in chosen.items()}


def trial_digest(config: Mapping[str, Any]) -> str:
    """Return 16 hexadecimal digits that two runs share if they are of the same trial and seed."""
    values = {key: _without_caches(value) for key, value in config.items() if key not in (*PLACES, CHOICES)}
    text = json.dumps(values, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _without_caches(value: Any) -> Any:
    """Leave out where things are cached, which lies below ``outputs`` and makes no other trial."""
    if not isinstance(value, Mapping):
        return value
    return {key: _without_caches(child) for key, child in value.items() if key != "cache"}


def valid_name(name: str) -> str:
    """Return a name that MLflow takes for a parameter or a metric."""
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
