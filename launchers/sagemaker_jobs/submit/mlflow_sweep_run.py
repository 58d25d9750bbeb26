"""MLflow sweep run: the run of a whole sweep, below which its jobs log live, created before they start."""

from __future__ import annotations

import sys
from pathlib import Path

from omegaconf import DictConfig, OmegaConf

from battery_lab.config.build import build_part
from battery_lab.tracking.mlflow_connection import connect
from battery_lab.tracking.mlflow_sender_thread import reason
from battery_lab.tracking.mlflow_sweep_run import sweep_run
from battery_lab.tracking.public_address import public
from sagemaker_jobs.submit.reachable_tracking import is_reachable


def create_sweep_run(config: DictConfig, sweep: Path) -> None:
    """Create the sweep's run on a reachable server, before jobs that start together each create one.

    Args:
        config: the configuration of a trial, as its job reads it.
        sweep: folder of the sweep.
    """
    uri = str(OmegaConf.select(config, "tracking.uri") or "")
    if not is_reachable(uri):
        return
    try:
        client, experiment = connect(build_part(config, "tracking").address())
        sweep_run(client, experiment, sweep)
    except Exception as error:  # stores raise errors of many kinds; jobs keep what they cannot log
        line = f"could not create the sweep's run in MLflow at {public(uri)} ({reason(error, uri)}); jobs continue"
        print(line, file=sys.stderr, flush=True)
