"""Trial identity: hashes of a trial's configuration and data, and of the run folder that it starts from."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping
from functools import cache
from glob import glob
from pathlib import Path
from typing import Any

from battery_lab.common.added_options import ACCEPTING_OPTIONS, ADDED_OPTIONS, CONDITIONAL_OPTIONS
from battery_lab.common.old_names import original_name
from battery_lab.common.run_folder import RunFolder
from battery_lab.common.trial_digest import trial_digest
from battery_lab.config.custom_source_files import custom_module_files
from battery_lab.experiment.checkpoint import list_checkpoints

PATH_KEYS = re.compile(r"(^|_)(path|file|folder|dir)$")
CHUNK = 1 << 20
TARGET = "_target_"
MODULES = "custom modules"  # not a key that a configuration can have


def trial_identity(config: Mapping[str, Any]) -> str:
    """Return a digest that two trials share if they have the same options, values, data and custom modules.

    A path counts as the contents of its file or folder: moved data give the same digest, changed data another one. So
    do the modules outside the lab that parts of the trial come from. A class counts under its first name, so that a
    sweep of an earlier version finds its trials. Options without an effect on results do not count: those that
    only accept or refuse the data, and those of other actions.

    Args:
        config: composed configuration as plain values.
    """
    values = {key: _with_contents(key, value) for key, value in config.items()}
    modules = {name: contents_digest(file.resolve()) for name, file in custom_module_files(config)}
    return trial_digest(values | ({MODULES: modules} if modules else {}))


def _with_contents(key: str, value: Any) -> Any:
    if key == TARGET:
        return original_name(str(value))
    if isinstance(value, Mapping):
        part = str(value.get(TARGET))
        added, without_effect = ADDED_OPTIONS.get(part, {}), set(ACCEPTING_OPTIONS.get(part, ()))
        for name, (other, needed) in CONDITIONAL_OPTIONS.get(part, {}).items():
            if value.get(other) != needed:
                without_effect.add(name)
        counted = {name: child for name, child in value.items() if name not in without_effect}
        kept = {name: child for name, child in counted.items() if name not in added or child != added[name]}
        return {name: _with_contents(str(name), child) for name, child in kept.items()}
    if isinstance(value, list):
        return [_with_contents(key, child) for child in value]
    if isinstance(value, str) and PATH_KEYS.search(key):
        # A path may be a glob pattern; an existing file of exactly that name takes precedence.
        text = str(Path(value).expanduser())
        paths = [text] if Path(text).exists() else sorted(glob(text, recursive=True))
        if paths:
            return f"contents {' '.join(contents_digest(Path(path).resolve()) for path in paths)}"
    return value


@cache
def contents_digest(path: Path) -> str:
    """Return a digest of a file, or of the names and contents of all files below a folder."""
    hasher = hashlib.sha256()
    for file in _files(path):
        hasher.update(f"{file.relative_to(path)}\0{file.stat().st_size}\0".encode())
        with file.open("rb") as content:
            while chunk := content.read(CHUNK):
                hasher.update(chunk)
    return hasher.hexdigest()


@cache
def run_digest(run: Path) -> str:
    """Return a digest of the files in a run folder that other trials resume from."""
    checkpoints = list_checkpoints(RunFolder(run).checkpoints)
    parts = [RunFolder(run).trial, RunFolder(run).policy, *checkpoints[-1:]]
    return hashlib.sha256(" ".join(contents_digest(part) for part in parts if part.exists()).encode()).hexdigest()


def _files(path: Path) -> Iterator[Path]:
    yield from sorted(file for file in path.rglob("*") if file.is_file()) if path.is_dir() else [path]
