"""Array cache: computed arrays on disk, so that the next start does not compute them again."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from battery_lab.common.atomic_write import atomic_path
from battery_lab.common.cache_keys_and_cleanup import mark_used, trim_cache

Array = NDArray[np.float64]


def cached_array(file: Path, shape: tuple[int, ...], make: Callable[[], Array]) -> Array:
    """Return a stored array, or make and store it.

    A damaged file, or one of another shape or type, is replaced. A file that cannot be written costs time, not the run.

    Args:
        file: the file, in a folder of the cache folder; its name must change with whatever the array depends on.
        shape: shape of the array.
        make: computes the array if the cache has none.
    """
    with suppress(OSError, ValueError, EOFError, BadZipFile):
        stored = np.load(file, allow_pickle=False)
        # An archive of arrays is not one.
        if isinstance(stored, np.ndarray) and stored.shape == shape and stored.dtype == np.float64:
            mark_used(file)
            return stored
    array = np.asarray(make(), np.float64)
    with suppress(OSError):
        file.parent.mkdir(parents=True, exist_ok=True)
        with atomic_path(file) as part:
            np.save(part, array)
        trim_cache(file.parents[1])
    return array
