"""The lab itself, on its fast path or on stock RLlib's, as a trial builds it."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from benchmarks.workload import Workload


def algorithm(work: Workload, choices: Sequence[str]) -> Any:
    """Build the RLlib algorithm of a trial, composed with further choices."""
    return work.experiment(*apart(choices)).build_algorithm(work.source)


def apart(choices: Sequence[str]) -> list[str]:
    """Return choices, with a place for compiled programs beside torch's own, and not among those of the lab's user."""
    if "rollout=array" not in choices:
        return [*choices]
    cache = Path(os.environ.get("TORCHINDUCTOR_CACHE_DIR") or tempfile.mkdtemp())
    return [*choices, f"rollout.cache={cache / 'battery_lab'}"]


def training(built: Any) -> Iterator[int]:
    """Train for ever, and yield the environment steps so far."""
    while True:
        yield int(built.train()["env_runners"]["num_env_steps_sampled_lifetime"])


def sampling(built: Any, work: Workload) -> Iterator[int]:
    """Sample for ever without learning, and yield the environment steps so far."""
    env_steps = 0
    while True:
        built.env_runner.sample()
        env_steps += work.fragment * work.num_envs
        yield env_steps
