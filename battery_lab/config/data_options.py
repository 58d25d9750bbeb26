"""Data options: the options of the group that reads data files, as classes with the defaults of their YAML."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from omegaconf import DictConfig, OmegaConf

from battery_lab.common.errors import ConfigError
from battery_lab.config.build import TARGET, import_target
from battery_lab.config.conf_folder import conf_dir
from battery_lab.config.environment_class_attributes import data_paths


def data_group(config: DictConfig) -> tuple[str, str]:
    """Return the group whose options read data files, and the key of its path.

    Raises:
        ConfigError: the environment reads no files.
    """
    keys = data_paths(config)
    if not keys:
        raise ConfigError(
            "the environment reads no data files, so there is nothing to check: choose another with env=..."
        )
    return keys[0].partition(".")[0], keys[0]


def data_options(config: DictConfig, group: str) -> Mapping[str, tuple[type, Mapping[str, Any]]]:
    """Return the class and the defaults of each option of a group, by name.

    References such as ``${outputs}`` are resolved in the configuration. Values that the user must give are absent.
    """
    top = {key: config[key] for key in config if key != group and not OmegaConf.is_missing(config, str(key))}
    paths = sorted((conf_dir() / group).glob("*.yaml"))
    # All at once, as a copy of the configuration takes longer than its options.
    node = OmegaConf.create({**top, group: {path.stem: OmegaConf.load(path) for path in paths}})[group]
    options = {}
    for name, values in cast(dict[str, Any], OmegaConf.to_container(node, resolve=True)).items():
        target = import_target(group, str(values.pop(TARGET)))
        options[name] = (target, {key: value for key, value in values.items() if value != "???"})
    return options
