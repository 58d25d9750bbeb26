"""Settings for tests that train."""

from __future__ import annotations

import pytest

from battery_lab.rllib.threads_and_memory import torch_threads


@pytest.fixture(scope="module")
def one_torch_thread():
    """Compute with one thread: with more, every small operation stalls where test processes share the cores."""
    with torch_threads(1):
        yield
