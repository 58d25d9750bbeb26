"""Peak memory of the benchmark's process."""

from __future__ import annotations

from benchmarks.peak_memory import peak_memory_mb


def test_peak_memory_is_plausible() -> None:
    assert 20 < peak_memory_mb() < 1e6
