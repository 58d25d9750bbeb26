"""A job reads its trial without what it cannot reach: a local tracking server, and the runs to resume or repeat."""

from __future__ import annotations

import pytest
from omegaconf import OmegaConf
from sagemaker_jobs.submit.local_settings_removal import config_for_job


@pytest.mark.parametrize(("uri", "live"), [("http://127.0.0.1:5000", False), ("https://mlflow.example.org", True)])
def test_a_job_logs_live_to_a_server_that_it_can_reach(uri, live):
    config = OmegaConf.create({"resume": "x", "rerun": "y", "tracking": {"_target_": "t", "uri": uri}})
    job_config = config_for_job(config)
    assert (job_config.tracking.get("uri") == uri) == live
    assert job_config.tracking._target_ == ("t" if live else "battery_lab.tracking.NoTracking")
    assert job_config.resume is None and job_config.rerun is None and config.resume == "x"
