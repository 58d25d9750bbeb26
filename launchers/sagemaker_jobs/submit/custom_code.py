"""Custom code: modules outside the lab that a trial's parts come from, packed for its job."""

from __future__ import annotations

import io
import sys
import sysconfig
import zipfile
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

from omegaconf import DictConfig, OmegaConf

from battery_lab.config.stored_trial import leaves

EPOCH = (1980, 1, 1, 0, 0, 0)  # equal code gives equal archives


def code_archive(config: DictConfig) -> bytes | None:
    """Return a zip file of the top-level modules that ``_target_`` names outside the lab; None without any.

    Installed packages are left out: the image has them.
    """
    targets = leaves(OmegaConf.to_container(config, resolve=False))
    roots = {str(name).partition(".")[0] for path, name in targets.items() if path.endswith("_target_")}
    files = sorted(entry for root in roots - {"battery_lab"} for entry in _files(root))
    if not files:
        return None
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for name, file in files:
            archive.writestr(zipfile.ZipInfo(name, EPOCH), file.read_bytes())
    return content.getvalue()


def _files(root: str) -> Iterator[tuple[str, Path]]:
    """Yield the names in the archive and the files of a module or package."""
    spec = None if root in sys.stdlib_module_names else find_spec(root)
    if spec is None or spec.origin is None or _is_installed(Path(spec.origin)):
        return
    origin = Path(spec.origin)
    if spec.submodule_search_locations is None:
        yield origin.name, origin
    else:
        for file in origin.parent.rglob("*.py"):
            yield f"{root}/{file.relative_to(origin.parent)}", file


def _is_installed(file: Path) -> bool:
    places = (sysconfig.get_path(name) for name in ("purelib", "platlib", "stdlib"))
    return any(file.resolve().is_relative_to(Path(place).resolve()) for place in places)
