"""Builds the Experiment that a composed configuration describes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from omegaconf import DictConfig

from battery_lab.config.build import build
from battery_lab.config.quiet_imports import quiet_imports

if TYPE_CHECKING:
    from battery_lab.experiment.experiment import Experiment


def build_experiment(config: DictConfig) -> Experiment:
    """Return the Experiment of a composed configuration.

    Raises:
        ConfigError: a key is unknown or missing, or a rule excludes a value.
    """
    parts = build(config)
    # It imports torch and Ray, which takes seconds; errors in the configuration are reported before.
    with quiet_imports():
        from battery_lab.experiment.experiment import Experiment

    return Experiment(**parts)
