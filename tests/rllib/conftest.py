"""Settings for tests that train."""

from __future__ import annotations

import pytest
import ray

from battery_lab.rllib.threads_and_malloc import torch_threads


@pytest.fixture(scope="module")
def one_torch_thread():
    """Compute with one thread: with more, every small operation stalls where test processes share the cores."""
    with torch_threads(1):
        yield


@pytest.fixture
def own_ray():
    """Start a new Ray: one of an earlier test has that test's working directory, where imports may fail."""
    ray.shutdown()
    yield
    ray.shutdown()
