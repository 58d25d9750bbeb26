"""The emulator that all tests of a process share, and jobs without Experiments."""

from __future__ import annotations

import os
from importlib.util import find_spec

import pytest

from tests.sagemaker_jobs.stub_sweeps import stub_archive


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    """Mark the tests that use the emulator as walks."""
    for item in items:
        if "shared_emulator" in item.fixturenames:
            item.add_marker(pytest.mark.walk)


@pytest.fixture(scope="session")
def shared_emulator(tmp_path_factory):
    if missing():
        pytest.skip(f"the extra aws or the emulator is not installed: {missing()}")
    from sagemaker_emulator.emulator_process import Emulator

    with Emulator(tmp_path_factory.mktemp("emulator"), grace=10, upload_every=0.2) as started:
        started.client("s3").create_bucket(
            Bucket="lab", CreateBucketConfiguration={"LocationConstraint": started.region}
        )
        yield started


@pytest.fixture
def emulator(shared_emulator, monkeypatch):
    """The shared emulator in place of AWS, without faults."""
    shared_emulator.faults.clear()
    for name, value in shared_emulator.environment.items():
        monkeypatch.setenv(name, value)
    for name in [name for name in os.environ if name.startswith("AWS_") and name not in shared_emulator.environment]:
        monkeypatch.delenv(name)
    monkeypatch.setattr("sagemaker_jobs.submit.uploads.source_archive", stub_archive)
    return shared_emulator


@pytest.fixture
def without_experiments(monkeypatch):
    """Skip Experiments, which take as long as a job of stubs; test_lab_trials_as_jobs.py covers them."""
    monkeypatch.setattr("sagemaker_jobs.training_job_pool.log_run", lambda *_: None)


def missing():
    """Return the missing packages of the extra aws and of the emulator."""
    return ", ".join(name for name in ("moto", "sagemaker", "sagemaker_training") if find_spec(name) is None)
