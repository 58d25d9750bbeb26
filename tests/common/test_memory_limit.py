"""Memory limit: what a machine cannot hold is refused before it is allocated."""

from __future__ import annotations

import pytest

from battery_lab.common.errors import ConfigError
from battery_lab.common.memory_limit import machine_bytes, refuse_beyond_memory


def test_a_machine_has_some_memory():
    assert 1e8 < machine_bytes() < 1e15


def test_what_fits_passes():
    refuse_beyond_memory("algo.batch", 512, machine_bytes() / 2, "a batch")


def test_what_does_not_fit_is_named_with_its_size():
    with pytest.raises(ConfigError) as error:
        refuse_beyond_memory("algo.batch", 10**12, 4e15, "a batch of rows")
    assert "algo.batch must need at most the memory of this machine, " in str(error.value)
    assert " GB, and a batch of rows takes 4,000,000.0 GB, got 1000000000000: choose less" in str(error.value)
