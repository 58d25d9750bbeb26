"""Cache of compiled programs: file names, clean-up, and a lock so that each program is compiled once."""

from __future__ import annotations

import fcntl
import os
import shutil
import time
from pathlib import Path
from typing import IO

MAX_CACHED_PROGRAMS = 100  # about 100 kB each
STALE_AFTER_S = 24 * 3600


def metric_names_path(package: Path) -> Path:
    """Return the file with the names of the metrics that a program returns."""
    return package.with_suffix(".json")


def lock_path(package: Path) -> Path:
    """Return the file that is locked while a program is compiled."""
    return package.with_suffix(".lock")


def try_lock(package: Path) -> IO[bytes] | None:
    """Return the locked lock file of a program; None if another process holds the lock.

    The lock lasts until all processes that inherited the file have closed it, also by being killed.
    """
    path = lock_path(package)
    while True:
        file = path.open("wb")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.close()
            return None
        except OSError:
            return file  # The file system has no locks. Compiling twice is better than not at all.
        if _is_current(file, path):
            return file
        file.close()


def _is_current(file: IO[bytes], path: Path) -> bool:
    """Return whether a locked file is still the one at its path, and not one that was removed meanwhile."""
    try:
        return os.path.samestat(os.fstat(file.fileno()), path.stat())
    except FileNotFoundError:
        return False


def clean(cache: Path) -> None:
    """Remove the files that killed processes left, and all programs but the newest ``MAX_CACHED_PROGRAMS``."""
    for path in (*cache.glob("*_*/"), *cache.glob("*.lock")):
        if time.time() - _modification_time(path) > STALE_AFTER_S:
            shutil.rmtree(path, ignore_errors=True) if path.is_dir() else path.unlink(missing_ok=True)
    for path in sorted(cache.glob("*.pt2"), key=_modification_time)[:-MAX_CACHED_PROGRAMS]:
        path.unlink(missing_ok=True)
        metric_names_path(path).unlink(missing_ok=True)


def _modification_time(path: Path) -> float:
    """Return when a file was modified, or the present time if another process has removed it."""
    try:
        return path.stat().st_mtime
    except FileNotFoundError:
        return time.time()
