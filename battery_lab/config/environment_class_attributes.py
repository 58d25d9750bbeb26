"""Environment class attributes: what the class of a trial's environment says before any data are loaded."""

from __future__ import annotations

from omegaconf import DictConfig, OmegaConf

from battery_lab.config.build import TARGET, import_target


def evaluation_overrides(config: DictConfig) -> tuple[str, ...]:
    """Return the keys that an evaluation of a stored policy may change."""
    return _declared(config, "evaluation_overrides")


def metric_names(config: DictConfig) -> tuple[str, ...]:
    """Return the names of the environment's metrics."""
    return _declared(config, "metric_names")


def data_paths(config: DictConfig) -> tuple[str, ...]:
    """Return the keys that may name data files, whether they have a value or not."""
    return _declared(config, "data_paths")


def data_keys(config: DictConfig) -> tuple[str, ...]:
    """Return the keys that name data files; a key without a value needs none."""
    return tuple(key for key in _declared(config, "data_paths") if OmegaConf.select(config, key) is not None)


def _declared(config: DictConfig, name: str) -> tuple[str, ...]:
    target = OmegaConf.select(config, f"env.{TARGET}")
    if target is None:
        return ()
    return tuple(getattr(import_target("env", str(target)), name, ()))
