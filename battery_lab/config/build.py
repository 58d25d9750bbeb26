"""Build: the parts of a trial as objects, from its composed YAML.

A mapping with ``_target_`` names a dataclass, which is called with the other keys; its children are built first. Errors
name the place in the configuration, such as ``reward.terms.wear.weight``.
"""

from __future__ import annotations

import dataclasses
import re
from importlib import import_module
from typing import Any

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from pydantic.dataclasses import is_pydantic_dataclass

from battery_lab.common.dataclass_type_checks import checked_values
from battery_lab.common.errors import ConfigError, require
from battery_lab.common.snake_case import snake_case
from battery_lab.common.validated_options import at
from battery_lab.config.conf_folder import conf_dir
from battery_lab.config.quiet_imports import quiet_imports

LARGEST_SEED = 2**32 - 1  # of NumPy
TARGET, CONVERT = "_target_", "_convert_"
# The parts of an Experiment, and what the class of each must have.
PARTS = {
    "env": "open",
    "algo": "learner",
    "network": "encoder",
    "rollout": "parts",
    "train": "env_steps",
    "tracking": "start",
}
REFERENCE = re.compile(r"\$\{(\w[\w.]*)\}")


def build(config: DictConfig) -> dict[str, Any]:
    """Return what an Experiment is made of: its parts, its seed and the configuration as plain values.

    Raises:
        ConfigError: a key is unknown or missing, or a rule excludes a value.
    """
    plain = resolve(config)
    seed: Any = plain.get("seed")
    whole = isinstance(seed, int | float) and not isinstance(seed, bool) and float(seed).is_integer()
    require(whole and seed >= 0, "seed", "must be a whole number, 0 or more", seed)
    require(seed <= LARGEST_SEED, "seed", f"must be at most {LARGEST_SEED:,}", seed)
    # Torch and Ray take seconds to import: errors that can be found without them are reported before.
    first, last = ("train", "tracking"), ("network", "rollout", "algo")
    between = [key for key in dict.fromkeys((*plain, *PARTS)) if key not in (*first, *last)]
    builder = _Builder(config)
    parts: dict[str, Any] = {}
    for name in (*first, *between, *last):
        if name in PARTS:
            parts[name] = builder.part(name, plain)
        elif name in plain:
            builder.build(plain[name], builder.raw[name], name)
    plain["seed"] = int(seed)
    return {**parts, "seed": int(seed), "config": plain}


def build_part(config: DictConfig, name: str) -> Any:
    """Return the object that one group of a configuration describes.

    Raises:
        ConfigError: nothing is chosen in the group, a key is unknown or missing, or a rule excludes a value.
    """
    node = config.get(name)
    plain = {name: OmegaConf.to_container(node, resolve=True) if OmegaConf.is_config(node) else node}
    return _Builder(config).part(name, plain)


def resolve(config: DictConfig) -> dict[str, Any]:
    """Return a configuration as plain values.

    Raises:
        ConfigError: a required value is missing, or refers to a value that does not exist.
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


def algo_name(config: DictConfig) -> str | None:
    """Return the name of a trial's policy in tables; None where it has no algorithm."""
    target = OmegaConf.select(config, f"algo.{TARGET}") or ""
    return snake_case(str(target).rpartition(".")[2]) or None


class _Builder:
    """Builds nodes of one configuration, and knows which of them refer to others."""

    def __init__(self, config: DictConfig) -> None:
        raw: Any = OmegaConf.to_container(config, resolve=False)
        self.raw: dict[str, Any] = raw

    def part(self, name: str, plain: dict[str, Any]) -> Any:
        if not isinstance(plain.get(name), dict):
            names = ", ".join(sorted(path.stem for path in (conf_dir() / name).glob("*.yaml")))
            raise ConfigError(f"{name} must be chosen: {name}=... can be {names}")
        part = self.build(plain[name], self.raw[name], name)
        needed = PARTS.get(name)
        if needed and not hasattr(part, needed):
            target = plain[name].get(TARGET)
            raise ConfigError(
                f"{name}.{TARGET} must name a class of {name}, which has {needed}, got {target}: choose {name}=..."
            )
        return part

    def build(self, node: Any, raw: Any, path: str) -> Any:
        """Build a node.

        Args:
            node: plain values. Whole numbers written as floats, such as 2e6, become int where a class needs int.
            raw: the same with references such as ``${battery}``; errors below one name the place that it refers to.
            path: the path of the node.
        """
        if isinstance(raw, str) and isinstance(node, dict | list) and (reference := REFERENCE.fullmatch(raw)):
            path, raw = reference[1], self._raw_at(reference[1])
        if isinstance(node, list):
            return [self.build(child, _child(raw, place), f"{path}[{place}]") for place, child in enumerate(node)]
        if not isinstance(node, dict):
            return node
        values = {key: self.build(node[key], _child(raw, key), f"{path}.{key}") for key in node if key != CONVERT}
        if TARGET not in node:
            return values
        target = import_target(path, str(values.pop(TARGET)))
        # Some classes import RLlib when they check their values.
        with at(path), quiet_imports():
            part = target(**(values if is_pydantic_dataclass(target) else checked_values(target, path, values)))
        for key, value in values.items():
            if isinstance(value, float | list):
                node[key] = _as_built(node[key], getattr(part, key))
        return part

    def _raw_at(self, path: str) -> Any:
        node: Any = self.raw
        for key in path.split("."):
            node = _child(node, key)
        return node


def _child(raw: Any, key: Any) -> Any:
    """Return a child of a node that may be a reference, whose children are not listed."""
    try:
        return raw[key]
    except (KeyError, IndexError, TypeError):
        return None


def _as_built(value: Any, built: Any) -> Any:
    """Return a value as the object holds it, where that is a whole number and the YAML says 2e6."""
    if isinstance(value, list) and isinstance(built, list | tuple) and len(value) == len(built):
        return [_as_built(*pair) for pair in zip(value, built, strict=True)]
    return built if isinstance(value, float) and type(built) is int else value


def import_target(path: str, name: str) -> Any:
    """Import the class that a ``_target_`` names.

    Raises:
        ConfigError: there is none, or it is no dataclass.
    """
    module, _, attribute = name.rpartition(".")
    try:
        with quiet_imports():
            target = getattr(import_module(module), attribute)
    except (ImportError, AttributeError, TypeError, ValueError) as error:  # TypeError: a name that starts with a dot
        raise ConfigError(f"{path}.{TARGET}={name} cannot be imported: {error}. Is its folder on PYTHONPATH?") from None
    if not (isinstance(target, type) and dataclasses.is_dataclass(target)):
        raise ConfigError(f"{path}.{TARGET}={name} must name a dataclass, so that its options can be checked")
    return target
