"""Array cache: computed arrays on disk, so that the next start does not compute them again."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from battery_lab.common.atomic_write import atomic_path

Array = NDArray[np.float64]


def cached_array(file: Path, shape: tuple[int, ...], make: Callable[[], Array]) -> Array:
    """Return a stored array, or make and store it.

    A damaged file, or one of another shape, is replaced. A file that cannot be written costs time, not the run.

    Args:
        file: the file; its name must change with whatever the array depends on.
        shape: shape of the array.
        make: computes the array if the cache has none.
    """
    with suppress(OSError, ValueError, EOFError):
        stored = np.load(file, allow_pickle=False)
        if stored.shape == shape:
            return np.asarray(stored, np.float64)
    array = make()
    with suppress(OSError):
        file.parent.mkdir(parents=True, exist_ok=True)
        with atomic_path(file) as part:
            np.save(part, array)
    return array
