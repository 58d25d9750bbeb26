"""The lab's algorithms with rollout=array or rollout=stock, built as in a trial."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from benchmarks.workload import Workload


def algorithm(workload: Workload, overrides: Sequence[str]) -> Any:
    """Build the RLlib algorithm of a trial with further overrides."""
    return workload.experiment(*with_private_cache(overrides)).build_learner(workload.source).algorithm


def with_private_cache(overrides: Sequence[str]) -> list[str]:
    """Return overrides with a cache of compiled programs beside torch's, not the cache of the lab's user."""
    if "rollout=array" not in overrides:
        return [*overrides]
    cache = Path(os.environ.get("TORCHINDUCTOR_CACHE_DIR") or tempfile.mkdtemp())
    return [*overrides, f"rollout.cache={cache / 'battery_lab'}"]


def training(algorithm: Any) -> Iterator[int]:
    """Train forever, and yield the environment steps so far."""
    while True:
        yield int(algorithm.train()["env_runners"]["num_env_steps_sampled_lifetime"])


def sampling(algorithm: Any, workload: Workload) -> Iterator[int]:
    """Sample forever without learning, and yield the environment steps so far."""
    env_steps = 0
    while True:
        algorithm.env_runner.sample()
        env_steps += workload.fragment * workload.num_envs
        yield env_steps
