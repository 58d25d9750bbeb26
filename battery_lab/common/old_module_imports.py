"""Old module imports: modules of earlier versions, which pickles name, are imported as aliases of the current ones."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib import import_module
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType

from battery_lab.common.old_names import MODULES, PACKAGE, current_place


class _Finder(MetaPathFinder, Loader):
    """Finds old modules: each is an alias whose attributes come from the new module."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        package, _, module = fullname.partition(".")
        old = module in MODULES or any(name.startswith(f"{module}.") for name in MODULES)
        return ModuleSpec(fullname, self, is_package=True) if package == PACKAGE and old else None

    def exec_module(self, module: ModuleType) -> None:
        old = module.__name__.partition(".")[2]

        def look_up(name: str) -> object:
            if name.startswith("__"):
                raise AttributeError(name)
            new, attribute = current_place(old, name)
            return getattr(import_module(f"{PACKAGE}.{new}"), attribute)

        module.__dict__["__getattr__"] = look_up


def install() -> None:
    """Redirect imports of old modules, which pickles contain, to the new ones. Existing modules take precedence."""
    if not any(isinstance(finder, _Finder) for finder in sys.meta_path):
        sys.meta_path.append(_Finder())
