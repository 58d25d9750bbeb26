"""Where compiled code is kept between runs: in a folder of its own for each state of the sources.

Numba knows a cached function by its own file alone (0.68): after a change in battery.py it would go on using the old
physics inside the compiled loops of other files.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[1]
KEPT = 4
VARIABLE = "NUMBA_CACHE_DIR"


def source_digest(package: Path = PACKAGE) -> str:
    """Return a hash of all Python sources below a folder that have to do with compiled code."""
    hasher = hashlib.sha256()
    for path in sorted(package.rglob("*.py")):
        source = path.read_bytes()
        if b"numba" in source:
            hasher.update(str(path.relative_to(package)).encode())
            hasher.update(source)
    return hasher.hexdigest()[:16]


def keep_compiled_code(package: Path = PACKAGE) -> None:
    """Point numba at this state's folder, unless the user chose one, and drop the folders of old states."""
    if VARIABLE in os.environ:
        return
    caches = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "battery_lab"
    folder = caches / source_digest(package)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        os.utime(folder)
        old = sorted((path for path in caches.iterdir() if path.is_dir()), key=lambda path: path.stat().st_mtime)
    except OSError:
        # No home to write to: numba then keeps its code beside the sources, or compiles anew.
        return
    for path in old[:-KEPT]:
        shutil.rmtree(path, ignore_errors=True)
    os.environ[VARIABLE] = str(folder)
