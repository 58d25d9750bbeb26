"""Custom source files: those of a trial's own classes, which are not part of the lab."""

from __future__ import annotations

import ast
import sys
import sysconfig
from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from battery_lab.common.flat_keys import leaves

LAB = {"battery_lab", "hydra_plugins", "sagemaker_emulator", "sagemaker_entry", "sagemaker_jobs"}


def custom_module_files(config: Mapping[str, Any]) -> list[tuple[str, Path]]:
    """Return the files of the modules and packages outside the lab that ``_target_`` names, sorted.

    Modules that these import are included, and installed packages are not: their versions identify them.

    Args:
        config: composed configuration as plain values.

    Returns:
        The name of each file below its folder on ``sys.path``, and its path.
    """
    targets = [str(name) for path, name in leaves(dict(config)).items() if path.rpartition(".")[2] == "_target_"]
    waiting, seen = {target.partition(".")[0] for target in targets}, set(LAB)
    files: dict[str, Path] = {}
    while waiting := waiting - seen:
        root = waiting.pop()
        seen.add(root)
        own = dict(_files(root))
        files |= own
        waiting |= {name for file in own.values() for name in _imported(file)}
    return sorted(files.items())


def _imported(file: Path) -> Iterator[str]:
    """Yield the top-level modules and packages that a file imports, without relative imports."""
    try:
        tree = ast.parse(file.read_bytes())
    except SyntaxError:
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            yield node.module.partition(".")[0]


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
