"""Environment declarations: what the class of a trial's environment says before any data are loaded."""

from __future__ import annotations

from importlib import import_module

from omegaconf import DictConfig, OmegaConf

from battery_lab.common.errors import ConfigError
from battery_lab.config.validation import TARGET, quiet


def evaluation_overrides(config: DictConfig) -> tuple[str, ...]:
    """Return the keys that an evaluation of a stored policy may change."""
    return _declared(config, "evaluation_overrides")


def metric_names(config: DictConfig) -> tuple[str, ...]:
    """Return the names of the environment's metrics."""
    return _declared(config, "metric_names")


def data_keys(config: DictConfig) -> tuple[str, ...]:
    """Return the keys that name data files; a key without a value needs none."""
    return tuple(key for key in _declared(config, "data_paths") if OmegaConf.select(config, key) is not None)


def _declared(config: DictConfig, name: str) -> tuple[str, ...]:
    target = OmegaConf.select(config, f"env.{TARGET}")
    if target is None:
        return ()
    module, _, attribute = str(target).rpartition(".")
    try:
        with quiet():
            environment = getattr(import_module(module), attribute)
    except (ImportError, AttributeError, ValueError) as error:
        raise ConfigError(f"env.{TARGET}={target} cannot be imported: {error}. Is its folder on PYTHONPATH?") from None
    return tuple(getattr(environment, name, ()))
