"""Reachable tracking servers: those that jobs can log to while they run."""

from __future__ import annotations

import re

THIS_MACHINE = re.compile(r"https?://(localhost|127\.|0\.0\.0\.0|\[::1\])")


def is_reachable(uri: str) -> bool:
    """Return whether jobs can reach a tracking server: it is on the network, not on this machine only."""
    return uri.startswith(("http://", "https://", "arn:")) and not THIS_MACHINE.match(uri)
