"""Threads, cores and memory of a process."""

from __future__ import annotations

import os
import platform
import subprocess
import sys

import pytest
import torch

from battery_lab.rllib.threads_and_malloc import cores, torch_threads


def test_torch_threads_restores_the_count_after_an_error():
    before = torch.get_num_threads()
    with pytest.raises(KeyError), torch_threads(before + 1):
        assert torch.get_num_threads() == before + 1
        raise KeyError
    assert torch.get_num_threads() == before


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="needs Linux")
def test_cores_respect_the_affinity():
    allowed = os.sched_getaffinity(0)
    try:
        os.sched_setaffinity(0, {min(allowed)})
        assert cores() == 1
    finally:
        os.sched_setaffinity(0, allowed)
    assert 1 <= cores() <= len(allowed)


@pytest.mark.parametrize(
    ("text", "expected"),
    [("max 100000", 8), ("200000 100000", 2), ("50000 100000", 1), ("9900000 100000", 8), ("", 8), (None, 8)],
)
def test_cores_respect_the_container_quota(text, expected, tmp_path, monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: set(range(8)), raising=False)
    if text is not None:
        (tmp_path / "cpu.max").write_text(text)
    assert cores(tmp_path / "cpu.max") == expected


# Each tensor is larger than the previous ones, so that by default the C library gets it from the system each time.
FAULTS = """
import resource, torch
from battery_lab.rllib.threads_and_malloc import keep_freed_memory
{keep}
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for size in range(2, 40):
    torch.ones(size << 17)
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.walk
@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="needs glibc")
def test_freed_memory_is_reused():
    def faults(keep):
        done = subprocess.run([sys.executable, "-c", FAULTS.format(keep=keep)], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return int(done.stdout)

    assert 5 * faults("assert keep_freed_memory()") < faults("")
