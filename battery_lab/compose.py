"""From composed YAML to the parts of a trial: every key checked, every mistake one clear message."""

from __future__ import annotations

import dataclasses
import difflib
import importlib
import logging
import uuid
from collections.abc import Iterator, Sequence
from typing import Any

from hydra import compose as hydra_compose
from hydra import initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.errors import HydraException
from hydra.utils import instantiate
from omegaconf import DictConfig, ListConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from battery_lab.errors import ConfigError, LabError
from battery_lab.locate import conf_dir

PARTS = ("env", "algo", "network", "train", "tracking")
TARGET = "_target_"


def register_resolvers() -> None:
    """Give OmegaConf the functions that conf/ uses."""
    # Run folders of two runs that start in the same second must differ.
    OmegaConf.register_new_resolver("short_id", lambda: uuid.uuid4().hex[:6], replace=True, use_cache=True)


def compose(overrides: Sequence[str]) -> DictConfig:
    """Compose a trial as the command line would, outside of Hydra's own entry.

    Raises:
        ConfigError: an override names what is not there.
    """
    register_resolvers()
    # Inside a run of Hydra its state is borrowed and given back.
    outer = GlobalHydra.instance().hydra
    GlobalHydra.instance().clear()
    try:
        with initialize_config_dir(str(conf_dir()), version_base="1.3"):
            return hydra_compose("config", overrides=list(overrides))
    except HydraException as error:
        raise ConfigError(str(error)) from None
    finally:
        GlobalHydra.instance().clear()
        if outer is not None:
            GlobalHydra.instance().initialize(outer)


def is_group(override: str) -> bool:
    """Return whether an override chooses an option of a group rather than a value."""
    key = override.partition("=")[0].lstrip("+~").partition("@")[0]
    return "=" in override and "." not in key and (conf_dir() / key).is_dir()


def build(config: DictConfig) -> Any:
    """Return the Experiment that a composed configuration describes.

    Raises:
        ConfigError: a key that its target does not know, a missing value, or one that a rule excludes.
    """
    plain = resolve(config)
    check_targets(plain)
    parts = {name: build_part(config, name) for name in PARTS}
    from battery_lab.experiment import Experiment

    return Experiment(**parts, seed=int(config.seed), config=plain)


def resolve(config: DictConfig) -> dict[str, Any]:
    """Return the configuration as plain values.

    Raises:
        ConfigError: a value that must be given is missing, or refers to something that is not there.
    """
    missing = sorted(OmegaConf.missing_keys(config))
    if missing:
        raise ConfigError(f"{missing[0]} must be given: add {missing[0]}=... to the command")
    try:
        plain = OmegaConf.to_container(config, resolve=True)
    except OmegaConfBaseException as error:
        raise ConfigError(f"the configuration cannot be resolved: {error}") from None
    if not isinstance(plain, dict):
        raise ConfigError("the configuration must be a mapping of groups")
    return {str(key): value for key, value in plain.items()}


def build_part(config: DictConfig, name: str) -> Any:
    """Return the object that one group describes, or raise what its checks say."""
    # Anything that a target imports may log; what a person needs to know is raised or printed by the lab itself.
    logging.getLogger("ray").setLevel(logging.ERROR)
    try:
        return instantiate(config[name], _convert_="all")
    except Exception as error:
        cause: BaseException | None = error
        while cause is not None and not isinstance(cause, LabError):
            cause = cause.__cause__
        if cause is not None:
            raise cause from None
        raise


def check_targets(plain: dict[str, Any]) -> None:
    """Raise ConfigError where a part has a key that its target does not know, or lacks one that it needs."""
    for path, node in _nodes(plain, ""):
        fields = {field.name for field in dataclasses.fields(_target(path, node[TARGET]))}
        given = {key for key in node if not key.startswith("_")}
        for key in sorted(given - fields):
            close = difflib.get_close_matches(key, fields, n=1)
            hint = f"; did you mean {path}.{close[0]}?" if close else ""
            raise ConfigError(
                f"{path}.{key} is no option of {node[TARGET]}, which has {', '.join(sorted(fields))}{hint}"
            )
        for key in sorted(fields - given):
            raise ConfigError(f"{path}.{key} is missing: {node[TARGET]} needs it, so name it in the YAML of {path}")


def _nodes(value: Any, path: str) -> Iterator[tuple[str, dict[str, Any]]]:
    if isinstance(value, dict):
        if TARGET in value:
            yield path, value
        for key, child in value.items():
            yield from _nodes(child, f"{path}.{key}" if path else str(key))
    elif isinstance(value, list | ListConfig):
        for place, child in enumerate(value):
            yield from _nodes(child, f"{path}[{place}]")


def _target(path: str, name: str) -> Any:
    module, _, attribute = str(name).rpartition(".")
    try:
        target = getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError, ValueError) as error:
        raise ConfigError(f"{path}._target_={name} cannot be imported: {error}") from None
    if not dataclasses.is_dataclass(target):
        raise ConfigError(f"{path}._target_={name} must name a dataclass, so that its options can be checked")
    return target
