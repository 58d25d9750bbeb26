"""The lab itself, on its fast path or on stock RLlib's, as a trial builds it."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from battery_lab.algos.base import Setup
from battery_lab.rollout.cluster import start_ray
from benchmarks.work import Work


def algorithm(work: Work, rollout: str) -> Any:
    """Build the RLlib algorithm of a trial.

    Args:
        work: the work.
        rollout: ``array`` or ``stock``.
    """
    experiment = work.experiment(*rollout_choice(rollout))
    start_ray(work.runners)
    return experiment.algo.config(setup(experiment, work.source, work.vector_env().single_action_space)).build_algo()


def rollout_choice(rollout: str) -> list[str]:
    """Return the overrides that choose a path; what is compiled is kept with torch's own, so that no run finds it."""
    if rollout == "stock":
        return ["rollout=stock"]
    cache = Path(os.environ.get("TORCHINDUCTOR_CACHE_DIR") or tempfile.mkdtemp())
    return [f"rollout={rollout}", f"rollout.cache={cache / 'battery_lab'}"]


def setup(experiment: Any, source: Any, action_space: Any) -> Setup:
    """Return what the algorithm is set up for, as the experiment does."""
    return Setup(
        make_env=source.vector_env,
        layout=source.open().layout,
        action_space=action_space,
        network=experiment.network,
        rollout=experiment.rollout,
        seed=experiment.seed,
        env_steps=experiment.train.env_steps,
    )


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
