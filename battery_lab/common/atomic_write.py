"""Atomic writes: a file or a folder is there whole, or not at all."""

from __future__ import annotations

import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

# What the name of an unfinished file begins with; a kill can leave one.
PREFIX = "part-"


@contextmanager
def atomic_path(path: Path, *, sync: bool = False) -> Iterator[Path]:
    """Yield a temporary path beside ``path``, and rename it to ``path`` when the block ends without an error.

    The temporary name keeps the suffix of ``path``. An error removes what the block has written.

    Args:
        path: the final path of the file or folder. An existing one is replaced.
        sync: whether the content and the name are on the disk (fsync) before the block is left.
    """
    part = path.with_name(f"{PREFIX}{uuid.uuid4().hex}-{path.name}")
    try:
        yield part
        if sync:
            for written in (*part.rglob("*"), part):
                _sync(written)
        replace_path(part, path)
        if sync:
            _sync(path.parent)
    finally:
        _remove(part)


def atomic_write(path: Path, content: str | bytes, *, sync: bool = False) -> None:
    """Write a file, text in UTF-8, whole or not at all."""
    with atomic_path(path, sync=sync) as part:
        part.write_bytes(content if isinstance(content, bytes) else content.encode())


def replace_path(source: Path, target: Path) -> None:
    """Move a file or a folder to a path on the same file system, and replace what is there, also a folder."""
    if target.is_dir() and not target.is_symlink():
        shutil.rmtree(target, ignore_errors=True)
    os.replace(source, target)


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _remove(part: Path) -> None:
    if part.is_dir():
        shutil.rmtree(part, ignore_errors=True)
    else:
        part.unlink(missing_ok=True)
