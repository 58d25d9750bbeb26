"""Compose: options and values become one configuration, by Hydra, outside of its own entry."""

from __future__ import annotations

import uuid
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from hydra import compose as hydra_compose
from hydra import initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf

from battery_lab.config import open_mappings
from battery_lab.config.conf_folder import conf_dir
from battery_lab.config.hydra_error_messages import override_error
from battery_lab.config.override_kinds import check_groups, is_group
from battery_lab.config.sweep_name import sweep_name


def register_resolvers() -> None:
    """Register the OmegaConf resolvers that conf/ uses, and open the mappings that users fill."""
    open_mappings.install()
    # Run folders of two runs that start in the same second must differ.
    OmegaConf.register_new_resolver("short_id", lambda: uuid.uuid4().hex[:6], replace=True, use_cache=True)
    # The same command finds the same sweep.
    OmegaConf.register_new_resolver("sweep_name", sweep_name, replace=True)


def compose(overrides: Sequence[str], folder: Path | None = None, name: str = "config") -> DictConfig:
    """Compose a trial as the command line does.

    Args:
        overrides: overrides, as on the command line.
        folder: the folder of the primary YAML; None: the lab's own options.
        name: the name of the primary YAML.

    Raises:
        ConfigError: an override names an option or a key that does not exist.
    """
    with _initialized(folder or conf_dir()):
        try:
            check_groups(overrides)
            return hydra_compose(name, overrides=list(overrides))
        except HydraException as error:
            raise override_error(error, _known([o for o in overrides if is_group(o)], name), options_with) from None


def options_with(key: str) -> list[str]:
    """Return the options of a key's group, such as ``algo=ppo``, that have the key."""
    group, *rest = key.split(".")
    with _initialized(conf_dir()):
        names = [path.stem for path in sorted((conf_dir() / group).glob("*.yaml"))] if rest else []
        # Composing one option takes a tenth of the time of composing a trial; some options fit no trial.
        having = [name for name in names if _has(_known([], f"{group}/{name}"), key)]
        return [f"{group}={name}" for name in having if _has(_known([f"{group}={name}"], "config"), key)]


def _has(config: Any, key: str) -> bool:
    name, _, rest = key.partition(".")
    return isinstance(config, Mapping) and name in config and (not rest or _has(config[name], rest))


def names_in(overrides: Sequence[str]) -> Mapping[str, Any]:
    """Return the lab's configuration with some overrides, for its names; the defaults if the overrides fail."""
    with _initialized(conf_dir()):
        return _known(overrides, "config")


@contextmanager
def _initialized(folder: Path) -> Iterator[None]:
    """Initialize Hydra for composing; inside a run of Hydra, its state is restored afterwards."""
    register_resolvers()
    outer = GlobalHydra.instance().hydra
    GlobalHydra.instance().clear()
    try:
        with initialize_config_dir(str(folder.resolve()), version_base="1.3"):
            yield
    finally:
        GlobalHydra.instance().clear()
        if outer is not None:
            GlobalHydra.instance().initialize(outer)


def _known(overrides: Sequence[str], name: str) -> Mapping[str, Any]:
    for chosen in (overrides, ()):
        with suppress(HydraException), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Hydra warns about the defaults list if one option is composed alone.
            plain = OmegaConf.to_container(hydra_compose(name, overrides=list(chosen)), resolve=False)
            return {str(key): value for key, value in plain.items()} if isinstance(plain, dict) else {}
    return {}
