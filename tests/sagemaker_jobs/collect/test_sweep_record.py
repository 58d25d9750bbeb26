"""The record of a sweep's jobs is read as it was written, also by an earlier version of the lab."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from sagemaker_jobs.aws.s3_layout import S3Layout
from sagemaker_jobs.collect.sweep_record import RECORD, SweepRecord

from battery_lab.cli.remote_jobs_lookup import find_remote_jobs
from battery_lab.common.errors import ConfigError
from battery_lab.sweep.journal import Journal
from battery_lab.sweep.logs import logs
from tests.sagemaker_jobs.conftest import missing

# As written before the launchers' files were renamed.
EARLIER = {
    "reader": "hydra_plugins.battery_lab_launchers._collecting",
    "region": "eu-west-1",
    "bucket": "lab",
    "prefix": "battery_lab",
    "lead": "battery-lab-01234567",
    "checkpoints": "auto",
    "key": None,
    "prices": {"ml.c5.xlarge": 0.2},
    "currency": "USD",
    "experiment": "sweep",
    "judged": "/runs/0",  # codespell:ignore judged
    "rehearsal": None,
    "asked": ["a"],  # codespell:ignore asked
    "jobs": {"3": ["a", "0123456789abcdef"]},
}


def test_a_record_is_read_as_it_was_written(tmp_path):
    (tmp_path / RECORD).write_text(json.dumps(EARLIER))
    record = SweepRecord.read(tmp_path)
    assert record.layout == S3Layout("lab", "battery_lab", "battery-lab-01234567", "auto")
    assert (record.evaluated_run, record.stop_requested) == (Path("/runs/0"), {"a"})
    record.add_job(4, "b", "fedcba9876543210")
    assert SweepRecord.read(tmp_path) == record
    assert json.loads((tmp_path / RECORD).read_text())["service"] == "sagemaker"
    assert SweepRecord.known_jobs(tmp_path, "battery-lab-01234567") == record.jobs
    assert SweepRecord.known_jobs(tmp_path, "battery-lab-76543210") == {}


@pytest.mark.parametrize("content", ["", "[]", "{}"])
def test_a_damaged_record_is_an_error(tmp_path, content):
    (tmp_path / RECORD).write_text(content)
    with pytest.raises(ConfigError, match="is damaged"):
        SweepRecord.read(tmp_path)


@pytest.mark.skipif(bool(missing()), reason=f"the extra aws is not installed: {missing()}")
def test_commands_read_the_sweep_of_an_earlier_version(tmp_path):
    journal = Journal(tmp_path)
    journal.read()
    journal.add_trial("trial", "source", [])
    (tmp_path / RECORD).write_text(json.dumps(EARLIER))
    with pytest.raises(ConfigError, match=r"trial 0 must be a trial that has a job, which are \[3\]"):
        logs(tmp_path, 0, find_remote_jobs(tmp_path))
