"""From composed YAML to the parts of a trial: every key checked, every mistake one clear message."""

from __future__ import annotations

import dataclasses
import difflib
import importlib
import logging
import os
import re
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from hydra import compose as hydra_compose
from hydra import initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.errors import HydraException
from hydra.utils import instantiate
from omegaconf import DictConfig, ListConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from battery_lab.errors import ConfigError, LabError, require
from battery_lab.locate import conf_dir
from battery_lab.mistakes import causes, explained
from battery_lab.overrides import check_groups, is_group

PARTS = ("env", "algo", "network", "rollout", "train", "tracking")
TARGET = "_target_"
KINDS = {"int": "a whole number", "float": "a number", "bool": "true or false", "str": "text", "None": "null"}
LISTS = re.compile(r"(?:tuple|list|Sequence)\[(int|float|bool|str)(?:, \.\.\.)?\]")


def register_resolvers() -> None:
    """Give OmegaConf the functions that conf/ uses."""
    # Run folders of two runs that start in the same second must differ.
    OmegaConf.register_new_resolver("short_id", lambda: uuid.uuid4().hex[:6], replace=True, use_cache=True)


def compose(overrides: Sequence[str], folder: Path | None = None, name: str = "config") -> DictConfig:
    """Compose a trial as the command line would, outside of Hydra's own entry.

    Args:
        overrides: choices, as on the command line.
        folder: where the primary YAML is; None: the lab's own options.
        name: its name.

    Raises:
        ConfigError: an override names what is not there.
    """
    with _initialized(folder or conf_dir()):
        try:
            check_groups(overrides)
            return hydra_compose(name, overrides=list(overrides))
        except HydraException as error:
            raise explained(error, _known([o for o in overrides if is_group(o)], name), options_with) from None


def options_with(key: str) -> list[str]:
    """Return the options of a key's group, as they are chosen, under which there is such a key."""
    group, *rest = key.split(".")
    with _initialized(conf_dir()):
        options = [f"{group}={path.stem}" for path in sorted((conf_dir() / group).glob("*.yaml"))]
        return [option for option in options if rest and _has(_known([option], "config"), key)]


def _has(config: Any, key: str) -> bool:
    name, _, rest = key.partition(".")
    return isinstance(config, Mapping) and name in config and (not rest or _has(config[name], rest))


def names_in(overrides: Sequence[str]) -> Mapping[str, Any]:
    """Return the lab's configuration under some choices of groups, to look names up in; its defaults if these fail."""
    with _initialized(conf_dir()):
        return _known(overrides, "config")


@contextmanager
def _initialized(folder: Path) -> Iterator[None]:
    """Have Hydra ready to compose; inside a run of Hydra its state is borrowed and given back."""
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
        with suppress(HydraException):
            plain = OmegaConf.to_container(hydra_compose(name, overrides=list(chosen)), resolve=False)
            return {str(key): value for key, value in plain.items()} if isinstance(plain, dict) else {}
    return {}


def build(config: DictConfig) -> Any:
    """Return the Experiment that a composed configuration describes.

    Raises:
        ConfigError: a key that its target does not know, a missing value, or one that a rule excludes.
    """
    plain = resolve(config)
    seed: Any = plain.get("seed")
    require(is_a("int", seed) and seed >= 0, "seed", "must be a whole number from 0", seed)
    # Torch and Ray take seconds to import: a mistake that can be told without them is told before.
    first, last = ("train", "tracking"), ("network", "rollout", "algo")
    between = [key for key in dict.fromkeys((*plain, *PARTS)) if key not in (*first, *last)]
    parts: dict[str, Any] = {}
    for keys in (first, between, last):
        check_targets({key: plain[key] for key in keys if key in plain})
        parts |= {name: build_part(config, name) for name in keys if name in PARTS}
    with quiet():
        from battery_lab.experiment import Experiment

    return Experiment(**parts, seed=int(config.seed), config=whole(plain))


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
    """Return the object that one group describes, or raise what its checks say.

    Raises:
        ConfigError: nothing is chosen in the group, or a rule excludes a value.
    """
    if not OmegaConf.is_dict(config.get(name)):
        names = ", ".join(sorted(path.stem for path in (conf_dir() / name).glob("*.yaml")))
        raise ConfigError(f"{name} must be chosen: {name}=... can be {names}")
    try:
        with quiet():
            return instantiate(whole(OmegaConf.to_container(config[name], resolve=True)), _convert_="all")
    except Exception as error:
        for cause in causes(error):
            if isinstance(cause, LabError):
                raise cause from None
        raise


@contextmanager
def quiet() -> Iterator[None]:
    """Keep imports from logging; what a person needs to know is raised or printed by the lab itself."""
    # RLlib imports TensorFlow where that is installed, which costs 5 s of every start.
    os.environ.setdefault("RLLIB_TEST_NO_TF_IMPORT", "1")
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(before)
        # Ray sets the levels anew when it is imported.
        for name in ("ray", "ray.rllib"):
            logging.getLogger(name).setLevel(logging.ERROR)


def check_targets(plain: dict[str, Any]) -> None:
    """Raise ConfigError where a part has a key that its target does not know, lacks one, or has one of another type."""
    for path, node in _nodes(plain, ""):
        fields = {field.name: field for field in dataclasses.fields(_target(path, node[TARGET]))}
        given = {key for key in node if not key.startswith("_")}
        for key in sorted(given - set(fields)):
            close = difflib.get_close_matches(key, fields, n=1)
            hint = f"; did you mean {path}.{close[0]}?" if close else ""
            raise ConfigError(
                f"{path}.{key} is no option of {node[TARGET]}, which has {', '.join(sorted(fields))}{hint}"
            )
        for key in sorted(set(fields) - given):
            raise ConfigError(f"{path}.{key} is missing: {node[TARGET]} needs it, so name it in the YAML of {path}")
        for key, field in fields.items():
            _check_type(f"{path}.{key}", _annotation(field), node[key])


def _check_type(path: str, annotation: str, value: Any) -> None:
    parts = [part.strip() for part in annotation.split("|")]
    inner = LISTS.fullmatch(annotation)
    if inner:
        good = isinstance(value, list) and all(is_a(inner[1], item) for item in value)
        require(good, path, f"must be a list, each item {KINDS[inner[1]]}", value)
    elif all(part in KINDS for part in parts):
        rule = " or ".join(KINDS[part] for part in parts)
        require(any(is_a(part, value) for part in parts), path, f"must be {rule}", value)


def is_a(kind: str, value: Any) -> bool:
    """Return whether a value from YAML is of a kind; a whole float such as 2e6 is a whole number."""
    if kind == "None":
        return value is None
    if kind in ("bool", "str"):
        return isinstance(value, bool if kind == "bool" else str)
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return number and (kind == "float" or float(value).is_integer())


def whole(value: Any) -> Any:
    """Return a plain configuration with whole floats, such as 2e6, as int where a target wants one."""
    if isinstance(value, list):
        return [whole(item) for item in value]
    if not isinstance(value, dict):
        return value
    fields = dataclasses.fields(_target("", value[TARGET])) if TARGET in value else ()
    ints = {field.name for field in fields if "int" in re.split(r"\W+", _annotation(field))}
    ints -= {field.name for field in fields if "float" in _annotation(field)}
    return {key: _as_int(item) if key in ints else whole(item) for key, item in value.items()}


def _as_int(value: Any) -> Any:
    if isinstance(value, list):
        return [_as_int(item) for item in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _annotation(field: dataclasses.Field[Any]) -> str:
    """Return a field's type as it is written; without postponed annotations it is a type already."""
    return field.type if isinstance(field.type, str) else getattr(field.type, "__name__", str(field.type))


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
        with quiet():
            target = getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError, ValueError) as error:
        raise ConfigError(f"{path}._target_={name} cannot be imported: {error}. Is its folder on PYTHONPATH?") from None
    if not dataclasses.is_dataclass(target):
        raise ConfigError(f"{path}._target_={name} must name a dataclass, so that its options can be checked")
    return target
