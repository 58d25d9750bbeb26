"""Lab version: a hash of the lab's source and packages, which trials and workers must share."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from functools import cache
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement

import battery_lab

PACKAGE = Path(battery_lab.__file__).parent


@cache
def lab_source_digest(program: Path | None = None) -> str:
    """Return 16 digits that identify the lab's source and the versions of its packages.

    The files of conf/ are not included: what they contribute to a trial is in the trial's configuration.

    Args:
        program: file of the task function that trials run, if it is not part of the lab.
    """
    hasher = hashlib.sha256()
    for file in sorted(PACKAGE.rglob("*.py")):
        hasher.update(f"{file.relative_to(PACKAGE)}\0".encode() + file.read_bytes())
    hasher.update(json.dumps(sorted(package_versions())).encode())
    if program is not None and not program.is_relative_to(PACKAGE):
        hasher.update(program.read_bytes())
    return hasher.hexdigest()[:16]


def package_versions() -> Iterator[str]:
    """Yield names and versions of the packages that the lab requires, without its extras."""
    try:
        declared = metadata.requires("battery-lab") or []
    except metadata.PackageNotFoundError:
        declared = []
    for requirement in map(Requirement, declared):
        if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
            yield f"{requirement.name} {metadata.version(requirement.name)}"
