"""Settings of all tests: no connections to other machines, no deadlines, and the order of the files."""

from __future__ import annotations

import os
import sys

import absl.logging
import hypothesis
import pytest

# A store or cluster that the developer's shell points at is not for tests to write to.
for name in ("MLFLOW_TRACKING_URI", "MLFLOW_EXPERIMENT_NAME", "MLFLOW_RUN_ID", "RAY_ADDRESS"):
    os.environ.pop(name, None)
os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
os.environ["RAY_USAGE_STATS_ENABLED"] = "0"

# It closes the stream that it was made with, here pytest's, when a test has Hydra set up the logs of the process.
absl.logging.get_absl_handler().python_handler.stream = sys.__stderr__


hypothesis.settings.register_profile("lab", deadline=None, print_blob=True)
hypothesis.settings.load_profile("lab")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Start the longest files first, so that no process waits for one of them at the end."""
    items.sort(key=lambda item: item.get_closest_marker("first") is None)
