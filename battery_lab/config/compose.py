"""From choices to composed YAML, and from that to the parts of a trial, each mistake told in one clear message."""

from __future__ import annotations

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
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from battery_lab.common.errors import ConfigError, LabError, causes, require
from battery_lab.config.hydra_errors import explained
from battery_lab.config.overrides import check_groups, is_group
from battery_lab.config.paths import conf_dir
from battery_lab.config.sweep_name import sweep_name
from battery_lab.config.validation import check_targets, is_a, quiet, whole

PARTS = ("env", "algo", "network", "rollout", "train", "tracking")


def register_resolvers() -> None:
    """Give OmegaConf the functions that conf/ uses."""
    # Run folders of two runs that start in the same second must differ.
    OmegaConf.register_new_resolver("short_id", lambda: uuid.uuid4().hex[:6], replace=True, use_cache=True)
    # The same command finds the same sweep again.
    OmegaConf.register_new_resolver("sweep_name", sweep_name, replace=True)


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
        from battery_lab.experiment.experiment import Experiment

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


def algo_name(config: DictConfig) -> str | None:
    """Return what a trial's policy goes by; None where it has no algorithm."""
    target = OmegaConf.select(config, "algo._target_") or ""
    return str(target).rpartition(".")[2].lower() or None


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
