"""Fixtures for tests that submit jobs."""

from __future__ import annotations

import pytest


@pytest.fixture
def without_experiments(monkeypatch):
    """Skip Experiments, which take as long as one of these jobs; test_rehearsal.py covers them."""
    monkeypatch.setattr("sagemaker_jobs.training_job_pool.log_run", lambda *_: None)
