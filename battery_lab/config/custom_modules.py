"""Custom modules: the source files outside the lab that the parts of a trial come from."""

from __future__ import annotations

import sys
import sysconfig
from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from battery_lab.config.stored_trial import leaves


def custom_module_files(config: Mapping[str, Any]) -> list[tuple[str, Path]]:
    """Return the files of the top-level modules and packages outside the lab that ``_target_`` names, sorted.

    Installed packages are not included: their versions identify them.

    Args:
        config: composed configuration as plain values.

    Returns:
        The name of each file below its folder on ``sys.path``, and its path.
    """
    targets = [str(name) for path, name in leaves(dict(config)).items() if path.rpartition(".")[2] == "_target_"]
    roots = {target.partition(".")[0] for target in targets}
    return sorted(entry for root in roots - {"battery_lab"} for entry in _files(root))


def _files(root: str) -> Iterator[tuple[str, Path]]:
    spec = None if root in sys.stdlib_module_names else find_spec(root)
    if spec is None:
        return
    if spec.submodule_search_locations is None:
        if spec.origin and not _is_installed(Path(spec.origin)):
            yield Path(spec.origin).name, Path(spec.origin)
        return
    # A package without __init__.py may have several folders.
    for folder in map(Path, spec.submodule_search_locations):
        if not _is_installed(folder):
            for file in folder.rglob("*.py"):
                yield f"{root}/{file.relative_to(folder)}", file


def _is_installed(path: Path) -> bool:
    places = (sysconfig.get_path(name) for name in ("purelib", "platlib", "stdlib"))
    return any(path.resolve().is_relative_to(Path(place).resolve()) for place in places)
