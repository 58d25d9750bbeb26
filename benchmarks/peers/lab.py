"""The lab itself, on its fast path or on stock RLlib's, as a trial builds it."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.work import Work


def algorithm(work: Work, rollout: str) -> Any:
    """Build the RLlib algorithm of a trial.

    Args:
        work: the work.
        rollout: ``array`` or ``stock``.
    """
    return work.experiment(*rollout_choice(rollout)).build_algorithm(work.source)


def rollout_choice(rollout: str) -> list[str]:
    """Return the overrides that choose a path; what is compiled is kept with torch's own, so that no run finds it."""
    if rollout == "stock":
        return ["rollout=stock"]
    cache = Path(os.environ.get("TORCHINDUCTOR_CACHE_DIR") or tempfile.mkdtemp())
    return [f"rollout={rollout}", f"rollout.cache={cache / 'battery_lab'}"]


def training(built: Any) -> Iterator[int]:
    """Train for ever, and yield the environment steps so far."""
    while True:
        yield int(built.train()["env_runners"]["num_env_steps_sampled_lifetime"])


def sampling(built: Any, work: Work) -> Iterator[int]:
    """Sample for ever without learning, and yield the environment steps so far."""
    env_steps = 0
    while True:
        built.env_runner.sample()
        env_steps += work.fragment * work.num_envs
        yield env_steps
