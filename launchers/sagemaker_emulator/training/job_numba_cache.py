"""Numba's cache of compiled code, shared by the jobs of an emulator.

Numba finds cached code by the path of its source. With ``--isolation plain`` every job has a folder of its own, so that
each one would compile again. This locator finds the code of a job by its path below ``/opt/ml/code``.
"""

from __future__ import annotations

import os
from pathlib import Path

from numba.core.caching import UserProvidedCacheLocator


class JobCacheLocator(UserProvidedCacheLocator):
    """Finds the cached code of a job's functions below ``NUMBA_CACHE_DIR``."""

    @classmethod
    def get_suitable_cache_subpath(cls, py_file: str) -> str:
        folder = Path(py_file).resolve().parent
        code = Path(os.environ.get("SAGEMAKER_BASE_DIR", "/opt/ml"), "code").resolve()
        if folder.is_relative_to(code):
            return "-".join(("job", *folder.relative_to(code).parts))
        return str(super().get_suitable_cache_subpath(py_file))  # type: ignore[no-untyped-call]
