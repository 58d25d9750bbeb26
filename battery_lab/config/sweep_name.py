"""Sweep name: names a sweep by the overrides that change its results."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Sequence

from battery_lab.config.override_kinds import own_choices

SEVERAL = re.compile(r"=[^\[{]*[,(]")  # varied overrides, which come first in a name
MAX_READABLE_LENGTH = 60


def sweep_name(overrides: Sequence[str]) -> str:
    """Return a readable and unique name for the sweep of some overrides, in any order."""
    own = sorted(own_choices(overrides), key=lambda choice: (not SEVERAL.search(choice), choice))
    readable = re.sub(r"[^A-Za-z0-9.,=+_-]+", "-", "_".join(own) or "defaults")[:MAX_READABLE_LENGTH].strip("-_.,")
    return f"{readable}_{hashlib.sha256(json.dumps(own).encode()).hexdigest()[:8]}"
