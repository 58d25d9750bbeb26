"""Trial digest: a hash of a trial's composed configuration, without what cannot change its results."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

# The key under which a configuration holds the names of its options by group; the other keys hold their values.
CHOICES = "choices"
# Locations and origins, which do not belong to the identity of a trial.
PLACES = ("outputs", "tracking", "resume", "rerun", "sweep")


def trial_digest(config: Mapping[str, Any]) -> str:
    """Return 16 hexadecimal digits that are equal for runs of the same trial and seed."""
    values = {key: _without_caches(value) for key, value in config.items() if key not in (*PLACES, CHOICES)}
    text = json.dumps(values, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _without_caches(value: Any) -> Any:
    # Cache folders do not belong to the identity of a trial.
    if not isinstance(value, Mapping):
        return value
    return {key: _without_caches(child) for key, child in value.items() if key != "cache"}
