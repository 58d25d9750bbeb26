"""A store of trials that jobs reach by themselves, and log to while they run."""

from __future__ import annotations

import re
import sys
from pathlib import Path

from omegaconf import DictConfig, OmegaConf

from battery_lab.config.compose import build_part
from battery_lab.tracking.mlflow_client import connect
from battery_lab.tracking.mlflow_sweep_run import sweep_run
from battery_lab.tracking.mlflow_tracking import reason
from battery_lab.tracking.sync_state import public

NOWHERE = {"_target_": "battery_lab.tracking.NoTracking"}
HERE_ALONE = re.compile(r"https?://(localhost|127\.|0\.0\.0\.0|\[::1\])")


def is_reachable(uri: str) -> bool:
    """Return whether jobs may reach a store: one of the network, and not of this machine alone."""
    return uri.startswith(("http://", "https://", "arn:")) and not HERE_ALONE.match(uri)


def make_parent(config: DictConfig, sweep: Path) -> None:
    """Have such a store hold the sweep's run before jobs that begin at once could each make one.

    Args:
        config: of a trial, as it travels.
        sweep: folder of the sweep.
    """
    uri = str(OmegaConf.select(config, "tracking.uri") or "")
    if not is_reachable(uri):
        return
    try:
        client, experiment = connect(build_part(config, "tracking").address())
        sweep_run(client, experiment, sweep)
    except Exception as error:  # Whatever a store can raise, jobs keep what they would have sent.
        line = f"MLflow at {public(uri)} does not hold the sweep for now ({reason(error, uri)}); jobs go on"
        print(line, file=sys.stderr, flush=True)


def travelling(config: DictConfig) -> DictConfig:
    """Return a trial as a job is to read it: without what its machine cannot reach."""
    config = config.copy()
    config.resume = config.rerun = None
    if not is_reachable(str(OmegaConf.select(config, "tracking.uri") or "")):
        OmegaConf.update(config, "tracking", dict(NOWHERE), merge=False, force_add=True)
    return config
