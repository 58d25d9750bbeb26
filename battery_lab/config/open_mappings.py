"""Open mappings: those that users fill, such as ``market.columns``, take new keys without Hydra's ``+``.

Hydra closes a composed configuration, so that a misspelt option is an error. That would also refuse every key of a
mapping whose keys are the user's own. Such a mapping is a value of an option: it has no ``_target_``, and neither has
anything in it. The class that receives it checks its keys.
"""

from __future__ import annotations

import functools
import warnings
from typing import Any

import hydra
from hydra._internal.config_loader_impl import ConfigLoaderImpl
from omegaconf import DictConfig, OmegaConf

HYDRA_VERSION = "1.3."  # the adapter is tested with it
PART = "_target_"


def open_mappings(config: DictConfig) -> DictConfig:
    """Let the mappings that users fill take new keys; returns the same configuration."""
    for key in map(str, config):
        if OmegaConf.is_missing(config, key) or OmegaConf.is_interpolation(config, key):
            continue
        child = config[key]
        if not isinstance(child, DictConfig) or key == "hydra":
            continue
        if PART in config and _holds_plain_values(child):
            OmegaConf.set_struct(child, False)
        else:
            open_mappings(child)
    return config


def _holds_plain_values(mapping: DictConfig) -> bool:
    """Return whether no value of a mapping is a mapping or a list; an empty one has none."""
    content = OmegaConf.to_container(mapping, resolve=False)
    if not isinstance(content, dict) or PART in content:
        return False
    return not any(isinstance(value, dict | list) for value in content.values())


def install() -> None:
    """Have Hydra open these mappings in every configuration that it composes, before it applies overrides."""
    compose: Any = ConfigLoaderImpl._compose_config_from_defaults_list
    if hasattr(compose, "__wrapped__"):
        return
    if not hydra.__version__.startswith(HYDRA_VERSION):
        # Python shows a warning of one place once.
        warnings.warn(
            f"Hydra {hydra.__version__} is not {HYDRA_VERSION}x: new keys of mappings such as market.columns need a + "
            "before them",
            stacklevel=1,
        )
        return

    @functools.wraps(compose)
    def compose_open(*args: Any, **kwargs: Any) -> DictConfig:
        return open_mappings(compose(*args, **kwargs))

    ConfigLoaderImpl._compose_config_from_defaults_list = compose_open  # type: ignore[method-assign]
