"""What a run folder remembers of its deliveries, in ``mlflow.json``, and addresses that may be shown to anybody."""

from __future__ import annotations

import json
import subprocess
import uuid
from pathlib import Path
from typing import Any

import battery_lab
from battery_lab.common.atomic_write import atomic_write
from battery_lab.common.run_folder import RunFolder

Receipt = dict[str, Any]


def read_receipt(folder: Path) -> Receipt:
    """Return what was delivered from a run folder, or an empty receipt with a new key.

    Returns:
        ``key``: the tag by which the run is found again in any store; ``stores``: a mapping from address to
        ``experiment``, ``artifacts``, ``run_id`` and ``env_steps`` (the last that was sent), None where nothing has
        arrived; ``status``, ``commit`` and ``version`` where the run itself noted them.
    """
    try:
        found = json.loads(RunFolder(folder).sync_state.read_text())
    except (OSError, ValueError):
        found = None
    if isinstance(found, dict) and "key" in found and isinstance(found.get("stores"), dict):
        return found
    return {"key": uuid.uuid4().hex, "stores": {}}


def write_receipt(folder: Path, receipt: Receipt) -> None:
    """Write a receipt, whole or not at all."""
    atomic_write(RunFolder(folder).sync_state, json.dumps(receipt, indent=1))


def public(uri: str) -> str:
    """Return an address without user, password and query, for eyes and files."""
    scheme, sign, rest = uri.partition("://")
    if not sign or rest.startswith("/"):
        return uri.partition("?")[0]
    host, slash, path = rest.partition("?")[0].partition("/")
    return f"{scheme}://{host.rpartition('@')[2]}{slash}{path}"


def source_tags() -> dict[str, str]:
    """Return which lab runs: its version, and its commit if it is a checkout."""
    tags = {"version": battery_lab.__version__}
    root = Path(battery_lab.__file__).resolve().parent.parent
    # An installed lab may lie inside somebody else's repository, whose commit says nothing about it.
    if (root / ".git").exists():
        command = ["git", "-C", str(root), "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=True)
        except (OSError, subprocess.SubprocessError):
            return tags
        tags["commit"] = done.stdout.strip()
    return tags
