"""Numba cache: compiled code is kept between runs, in one folder per version of the sources.

Numba (0.68) checks only the file of a cached function. After a change of the physics, compiled loops in other files
would still use the old code.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[1]
KEPT = 4
VARIABLE = "NUMBA_CACHE_DIR"


def numba_sources_digest(package: Path = PACKAGE) -> str:
    """Return a hash of all Python sources below a folder that mention numba."""
    hasher = hashlib.sha256()
    for path in sorted(package.rglob("*.py")):
        source = path.read_bytes()
        if b"numba" in source:
            hasher.update(str(path.relative_to(package)).encode())
            hasher.update(source)
    return hasher.hexdigest()[:16]


def keep_compiled_code(package: Path = PACKAGE) -> None:
    """Select the cache folder of the current sources, unless the user has set one, and remove old folders."""
    if VARIABLE in os.environ:
        return
    # Not platformdirs: every import of the lab runs this, also in the image that serves policies and lacks the package.
    caches = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "battery_lab"
    folder = caches / numba_sources_digest(package)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        os.utime(folder)
        old = sorted((path for path in caches.iterdir() if path.is_dir()), key=lambda path: path.stat().st_mtime)
    except OSError:
        # The cache is not writable: numba stores its code beside the sources, or compiles again.
        return
    for path in old[:-KEPT]:
        shutil.rmtree(path, ignore_errors=True)
    os.environ[VARIABLE] = str(folder)
