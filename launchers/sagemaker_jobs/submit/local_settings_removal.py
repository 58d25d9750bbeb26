"""Local settings removal: a trial's configuration for its job, without what the job's machine cannot reach.

Paths of data stay; the job replaces them by its own (``container/channels.py``).
"""

from __future__ import annotations

from omegaconf import DictConfig, OmegaConf

from sagemaker_jobs.submit.reachable_tracking import is_reachable

NO_TRACKING = {"_target_": "battery_lab.tracking.NoTracking"}


def config_for_job(config: DictConfig) -> DictConfig:
    """Return a trial's configuration as its job reads it: without what the job's machine cannot reach."""
    config = config.copy()
    config.resume = config.rerun = None
    if not is_reachable(str(OmegaConf.select(config, "tracking.uri") or "")):
        OmegaConf.update(config, "tracking", dict(NO_TRACKING), merge=False, force_add=True)
    return config
