"""Lean imports: imports of other libraries leave out what they drag in and a trial does not use.

Each entry belongs to one version of its library, and tests compare it with that version. With another version, the
library is imported in full.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from importlib.metadata import PackageNotFoundError, version
from types import ModuleType

# Module -> modules that it imports only if they are installed, for what the lab does not do: storing TensorBoard files
# on S3 or Google's cloud.
OPTIONAL = {"tensorboardX.record_writer": ("boto3", "google.cloud")}
# torch's rules for tensors without data, a third of its import. Only its compiler and its exporters use them.
SHAPE_RULES, TORCH, TORCH_VERSION = "torch._meta_registrations", "torch", "2.13."
NEED_SHAPE_RULES = {f"torch.{name}" for name in ("_decomp", "_dynamo", "_inductor", "_refs", "export._trace", "onnx")}


def import_lean() -> None:
    """Import lean from now on in this process."""
    if not any(isinstance(finder, _Finder) for finder in sys.meta_path):
        sys.meta_path.insert(0, _Finder())


class _Finder(MetaPathFinder):
    """Finds the modules above, and nothing else."""

    def __init__(self) -> None:
        try:
            self._is_known_torch = version(TORCH).startswith(TORCH_VERSION)
        except PackageNotFoundError:
            self._is_known_torch = False
        self._postponed = False

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname in NEED_SHAPE_RULES:
            self._import_shape_rules()
            return None
        if fullname == SHAPE_RULES and _is_importing(TORCH) and self._is_known_torch:
            self._postponed = True
            return ModuleSpec(fullname, _Nothing())
        if fullname not in OPTIONAL:
            return None
        spec = PathFinder.find_spec(fullname, path, target)
        if spec is not None and spec.loader is not None:
            spec.loader = _Without(spec.loader, OPTIONAL[fullname])
        return spec

    def _import_shape_rules(self) -> None:
        if self._postponed and not _is_importing(TORCH):
            self._postponed = False
            sys.modules.pop(SHAPE_RULES, None)
            importlib.import_module(SHAPE_RULES)


def _is_importing(name: str) -> bool:
    spec = getattr(sys.modules.get(name), "__spec__", None)
    return bool(getattr(spec, "_initializing", False))


class _Nothing(Loader):
    """Loads an empty module."""

    def exec_module(self, module: ModuleType) -> None:
        pass


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
