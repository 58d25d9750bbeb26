"""Sync state: what a run folder has sent to MLflow (``mlflow.json``)."""

from __future__ import annotations

import json
import uuid
from pathlib import Path
from typing import Any

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
