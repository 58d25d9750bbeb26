"""Sync state: what a run folder has sent to MLflow (``mlflow.json``), and addresses without credentials."""

from __future__ import annotations

import json
import subprocess
import uuid
from pathlib import Path
from typing import Any

import battery_lab
from battery_lab.common.atomic_write import atomic_write
from battery_lab.common.run_folder import RunFolder

SyncState = dict[str, Any]


def read_sync_state(folder: Path) -> SyncState:
    """Return what was sent from a run folder, or an empty state with a new key.

    Returns:
        ``key``: the tag that identifies the run in every store; ``stores``: a mapping from address to ``experiment``,
        ``artifacts``, ``run_id`` and ``env_steps`` (the last that was sent), None where nothing has arrived;
        ``status``, ``commit`` and ``version`` where the run itself wrote them.
    """
    try:
        state = json.loads(RunFolder(folder).sync_state.read_text())
    except (OSError, ValueError):
        state = None
    if isinstance(state, dict) and "key" in state and isinstance(state.get("stores"), dict):
        return state
    return {"key": uuid.uuid4().hex, "stores": {}}


def write_sync_state(folder: Path, state: SyncState) -> None:
    """Write ``mlflow.json`` atomically."""
    atomic_write(RunFolder(folder).sync_state, json.dumps(state, indent=1))


def public(uri: str) -> str:
    """Return an address without user, password and query, so that it can be shown and stored."""
    scheme, sign, rest = uri.partition("://")
    if not sign or rest.startswith("/"):
        return uri.partition("?")[0]
    host, slash, path = rest.partition("?")[0].partition("/")
    return f"{scheme}://{host.rpartition('@')[2]}{slash}{path}"


def source_tags() -> dict[str, str]:
    """Return the version of the lab, and its commit if it runs from a checkout."""
    tags = {"version": battery_lab.__version__}
    root = Path(battery_lab.__file__).resolve().parent.parent
    # An installed lab may lie inside another repository, whose commit says nothing about the lab.
    if (root / ".git").exists():
        command = ["git", "-C", str(root), "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=True)
        except (OSError, subprocess.SubprocessError):
            return tags
        tags["commit"] = done.stdout.strip()
    return tags
