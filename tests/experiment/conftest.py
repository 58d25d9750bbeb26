"""Fixtures for tests that run experiments."""

from __future__ import annotations

import pytest

from battery_lab.experiment import final_evaluation


@pytest.fixture
def no_report(monkeypatch):
    """Write no report: it takes longer than the training."""
    monkeypatch.setattr(final_evaluation, "write_results_page", lambda *args, **kwargs: None)
