"""A composition as MLflow's parameters: flat names, short texts, nothing secret."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from battery_lab.tracking.receipt import public

# Limits of mlflow.utils.validation, which servers of version 2 and 3 share.
KEY_LENGTH, VALUE_LENGTH = 250, 6000
# Where a run lies and from which folder it came says nothing about the trial.
PLACES = ("outputs", "tracking", "resume", "rerun")
_FORBIDDEN = re.compile(r"[^\w\-. :/]", re.ASCII)


def flat_params(config: Mapping[str, Any]) -> dict[str, str]:
    """Return a composition as ``{"algo.lr": "0.0003", ...}``.

    Lists of plain values are one parameter; of mappings (reward terms, features) one for each of their values.
    """
    kept = {key: value for key, value in config.items() if key not in ("resume", "rerun")}
    return {valid_name(key): _text(value) for key, value in _leaves(kept, "")}


def trial_digest(config: Mapping[str, Any]) -> str:
    """Return 16 hexadecimal digits that two runs share if they are of the same trial and seed."""
    choices = {key: value for key, value in config.items() if key not in PLACES}
    text = json.dumps(choices, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def valid_name(name: str) -> str:
    """Return a name that MLflow takes for a parameter or a metric."""
    return _FORBIDDEN.sub("_", name)[:KEY_LENGTH]


def _leaves(value: Any, path: str) -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping) and value:
        children: Any = value.items()
    elif isinstance(value, list) and any(isinstance(item, Mapping | list) for item in value):
        children = enumerate(value)
    else:
        yield path, value
        return
    for key, child in children:
        yield from _leaves(child, f"{path}.{key}" if path else str(key))


def _text(value: Any) -> str:
    text = public(value) if isinstance(value, str) and "://" in value else value
    text = text if isinstance(text, str) else json.dumps(text, default=str)
    return text if len(text) <= VALUE_LENGTH else text[: VALUE_LENGTH - 1] + "…"
