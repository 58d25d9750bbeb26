"""Flat keys: the leaves of nested mappings, such as configurations, by their full keys."""

from __future__ import annotations

from typing import Any


def leaves(node: Any, path: str = "") -> dict[str, Any]:
    """Return the values of nested mappings by their full keys, such as ``train.env_steps``."""
    if isinstance(node, list) and any(isinstance(child, dict) for child in node):
        node = {str(place): child for place, child in enumerate(node)}
    if isinstance(node, dict) and node:
        below = (leaves(child, f"{path}.{key}" if path else str(key)) for key, child in node.items())
        return {place: value for leaves in below for place, value in leaves.items()}
    return {path: node}
