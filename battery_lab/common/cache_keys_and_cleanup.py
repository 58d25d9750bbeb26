"""Cache keys and cleanup: what the names of prepared data in the cache folder depend on, and how much is kept.

Prepared data can be computed again, so a file that is damaged, removed or cannot be written costs time at most.
"""

from __future__ import annotations

import hashlib
import os
import stat
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from battery_lab.common.atomic_write import PREFIX

# Folders of prepared data. Parsed and simulated markets lie beside them.
KINDS = ("baselines", "hindsight", "observations", "scales")
MARKETS = tuple(f"{start}market-*.{end}" for start in ("", f"{PREFIX}*-") for end in ("npz", "npy"))
KEPT_BYTES = 2_000_000_000  # a table of observations takes about 100 MB for four years of five minutes
YOUNG_S = 3600.0  # what was written or used within this time stays, as a run may be about to use it
# Libraries that compute what is kept.
LIBRARIES = ("numpy", "numba", "pandas", "tzdata")


def cache_folder(folder: str) -> Path:
    """Return the path of a cache folder; ``~`` is the user's home."""
    return Path(folder).expanduser()


def key_of(*parts: object) -> str:
    """Return a name that changes with the ``repr`` of the parts and with the version of a library."""
    return hashlib.sha256(repr((_VERSIONS, parts)).encode()).hexdigest()[:24]


def source_digest(files: Iterable[Path]) -> str:
    """Return a hash of source files.

    Modules call it when they are imported, so that it is of the code that runs, even if a file is edited later.
    """
    hasher = hashlib.sha256()
    for path in sorted(set(files)):
        content = path.read_bytes()
        hasher.update(f"{path.name} {len(content)} ".encode())
        hasher.update(content)
    return hasher.hexdigest()[:16]


def mark_used(file: Path) -> None:
    """Note that a file was used now; those that were not used for the longest time are removed first."""
    with suppress(OSError):
        os.utime(file)


def trim_cache(folder: Path, kept_bytes: int = KEPT_BYTES) -> None:
    """Remove prepared data beyond a total size, those not used for the longest time first.

    Files of the last hour stay, and unfinished ones that are older are removed in any case.

    Args:
        folder: the cache folder; other files in it are left alone.
        kept_bytes: total size of the files that may stay.
    """
    files = sorted(_prepared(folder))
    total, old = sum(size for _, size, _ in files), time.time() - YOUNG_S
    for used_at, size, path in files:
        if used_at > old:
            return
        if total > kept_bytes or path.name.startswith(PREFIX):
            with suppress(OSError):
                path.unlink()
                total -= size


def _prepared(folder: Path) -> Iterator[tuple[float, int, Path]]:
    """Yield time of last use, size and path of each file of prepared data."""
    for pattern in (*MARKETS, *(f"{kind}/*" for kind in KINDS)):
        for path in folder.glob(pattern):
            with suppress(OSError):
                status = path.lstat()
                if stat.S_ISREG(status.st_mode):
                    yield status.st_mtime, status.st_size, path


def _version(library: str) -> str:
    try:
        return version(library)
    except PackageNotFoundError:
        return ""


_VERSIONS = tuple(f"{library} {_version(library)}" for library in LIBRARIES)
