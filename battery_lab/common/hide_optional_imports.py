"""Hide optional imports: tensorboardX and numba are imported without packages that a trial does not use."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType

# Module -> modules that it imports only if they are installed, for what the lab does not do: storing TensorBoard files
# on S3 or Google's cloud, and convolutions by BLAS in compiled code. Matrix products in compiled code import SciPy when
# they are compiled.
OPTIONAL = {"tensorboardX.record_writer": ("boto3", "google.cloud"), "numba.np.arraymath": ("scipy.linalg",)}


def import_lean() -> None:
    """Import lean from now on in this process."""
    if not any(isinstance(finder, _Finder) for finder in sys.meta_path):
        sys.meta_path.insert(0, _Finder())


class _Finder(MetaPathFinder):
    """Finds the modules above, and nothing else."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname not in OPTIONAL:
            return None
        spec = PathFinder.find_spec(fullname, path, target)
        if spec is not None and spec.loader is not None:
            spec.loader = _Without(spec.loader, OPTIONAL[fullname])
        return spec


class _Without(Loader):
    """Loads a module while others cannot be imported."""

    def __init__(self, loader: Loader, hidden: Sequence[str]) -> None:
        self._loader, self._hidden = loader, hidden

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return self._loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        with without(*self._hidden):
            self._loader.exec_module(module)


@contextmanager
def without(*modules: str) -> Iterator[None]:
    """Make imports of modules fail, unless they are imported already."""
    hidden = [name for name in modules if name not in sys.modules]
    sys.modules.update(dict.fromkeys(hidden))  # type: ignore[arg-type]  # None: the import fails
    try:
        yield
    finally:
        for name in hidden:
            if sys.modules.get(name) is None:
                sys.modules.pop(name, None)
