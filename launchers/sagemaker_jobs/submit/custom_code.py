"""Custom code: modules outside the lab that a trial's parts come from, packed for its job."""

from __future__ import annotations

import io
import zipfile
from typing import Any, cast

from omegaconf import DictConfig, OmegaConf

from battery_lab.config.custom_source_files import custom_module_files

EPOCH = (1980, 1, 1, 0, 0, 0)  # equal code gives equal archives


def code_archive(config: DictConfig) -> bytes | None:
    """Return a zip file of the modules outside the lab; None without any."""
    plain = cast("dict[str, Any]", OmegaConf.to_container(config, resolve=False))
    files = custom_module_files(plain)
    if not files:
        return None
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for name, file in files:
            archive.writestr(zipfile.ZipInfo(name, EPOCH), file.read_bytes())
    return content.getvalue()
