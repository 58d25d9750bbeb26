"""Sweep name: names a sweep by the overrides that change its results."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Sequence

# Overrides that do not change what a sweep computes: launcher, retries, tracking, outputs. Two launcher options do
# change it: they start trials from a checkpoint, or evaluate only.
NO_EFFECT_ON_RESULTS = re.compile(
    r"^[+~]*(?!hydra\.launcher\.(checkpoint|evaluate_only)=)(launcher|sweep|hydra|tracking|outputs)([.=@/]|$)"
)
SEVERAL = re.compile(r"=[^\[{]*[,(]")  # varied overrides, which come first in a name
MAX_READABLE_LENGTH = 60


def sweep_name(overrides: Sequence[str]) -> str:
    """Return a readable and unique name for the sweep of some overrides, in any order."""
    own = sorted(own_choices(overrides), key=lambda choice: (not SEVERAL.search(choice), choice))
    readable = re.sub(r"[^A-Za-z0-9.,=+_-]+", "-", "_".join(own) or "defaults")[:MAX_READABLE_LENGTH].strip("-_.,")
    return f"{readable}_{hashlib.sha256(json.dumps(own).encode()).hexdigest()[:8]}"


def own_choices(overrides: Sequence[str]) -> list[str]:
    """Return the overrides that define what a sweep computes."""
    return [override for override in overrides if not NO_EFFECT_ON_RESULTS.match(override)]


def choices_of_trials(overrides: Sequence[str]) -> list[str]:
    """Return the overrides that define what trials compute, without the sweeper that combines them."""
    return [override for override in own_choices(overrides) if not override.lstrip("+").startswith("sweeper=")]
