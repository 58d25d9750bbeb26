"""Options of jobs for tests: the defaults of conf/launcher/sagemaker.yaml, with what has none."""

from __future__ import annotations

from typing import Any

from hydra_plugins.battery_lab_launchers._sagemaker_launch import job_options
from omegaconf import OmegaConf
from sagemaker_jobs.options.job_options import JobOptions

from battery_lab.config.conf_folder import conf_dir

REQUIRED = {
    "role": "arn:aws:iam::123456789012:role/jobs",
    "image_uri": "123456789012.dkr.ecr.eu-west-1.amazonaws.com/battery_lab:1",
    "region": "eu-west-1",
    "bucket": "a-bucket",
}


def options(**changes: Any) -> JobOptions:
    """Return the launcher's defaults with the required options and changes."""
    defaults: Any = OmegaConf.to_container(OmegaConf.load(conf_dir() / "launcher" / "sagemaker.yaml").hydra.launcher)
    defaults.pop("rehearsal")
    return job_options({**defaults, **REQUIRED, **changes})
