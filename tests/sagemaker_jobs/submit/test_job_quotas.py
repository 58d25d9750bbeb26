"""Quotas of training jobs: a full one is waited for, and one that is too small is an error."""

from __future__ import annotations

import pytest
from sagemaker_jobs.submit import training_jobs

from battery_lab.common.errors import DataError
from battery_lab.sweep.journal import TrialState
from tests.sagemaker_jobs.stub_sweeps import StubSweep

pytestmark = pytest.mark.usefixtures("without_experiments")


def test_a_job_waits_while_the_quota_is_full(emulator, tmp_path, monkeypatch):
    from botocore.exceptions import ClientError
    from sagemaker_jobs import training_job_pool

    refusals = 2
    send = training_job_pool.Sender.send

    def refuse(*arguments):
        nonlocal refusals
        if refusals:
            refusals -= 1
            raise ClientError({"Error": {"Code": "ResourceLimitExceeded", "Message": "full"}}, "CreateTrainingJob")
        send(*arguments)

    monkeypatch.setattr(training_jobs, "QUOTA_PAUSE_S", 0.5)
    monkeypatch.setattr(training_job_pool.Sender, "send", refuse)
    sweep = StubSweep(tmp_path / "full", [{"steps": 1}])
    assert sweep.run()[0].state == TrialState.DONE
    assert refusals == 0 and len(sweep.created_jobs(emulator)) == 1


@pytest.mark.parametrize(("limit", "waits"), [("2.0", True), ("0", False)])
def test_a_quota_that_is_too_small_for_any_job_is_an_error(limit, waits):
    message = (
        f"The account-level service limit 'ml.g5.xlarge for training job usage' is {limit} Instances, with current "
        "utilization of 0 Instances and a request delta of 1 Instances."
    )
    if waits:
        training_jobs.raise_if_quota_too_small(message)
        return
    with pytest.raises(DataError, match="quota 'ml.g5.xlarge for training job usage' is 0, and a job needs 1: ask for"):
        training_jobs.raise_if_quota_too_small(message)
